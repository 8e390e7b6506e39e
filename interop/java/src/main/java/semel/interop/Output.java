package semel.interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.Map;

/** Results: one JSON object a line on stdout. A failed check does not stop the checks after it. */
final class Output {
    static final ObjectMapper JSON = new ObjectMapper();
    private static int failures;

    @FunctionalInterface
    interface Body {
        void run() throws Exception;
    }

    static synchronized void print(Object... pairs) {
        Map<String, Object> line = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2) line.put((String) pairs[i], pairs[i + 1]);
        try {
            System.out.println(JSON.writeValueAsString(line));
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
        System.out.flush();
    }

    static void check(String name, Body body) {
        long started = System.nanoTime();
        try {
            body.run();
            print("check", name, "ok", true, "ms", (System.nanoTime() - started) / 1_000_000);
        } catch (Throwable error) {
            failures++;
            error.printStackTrace();
            print("check", name, "ok", false, "ms", (System.nanoTime() - started) / 1_000_000, "detail", String.valueOf(error));
        }
    }

    static int failures() {
        return failures;
    }

    static void expect(Object actual, Object expected, String what) {
        if (!String.valueOf(expected).equals(String.valueOf(actual)))
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
    }

    static void expect(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private Output() {}
}
