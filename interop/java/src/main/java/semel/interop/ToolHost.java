package semel.interop;

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line classes one after the other in this JVM, because starting a JVM for each of some fifty calls
 * takes longer than the calls. Each line of stdin is a JSON array: the class and its arguments. Each answer is one line:
 * its exit code and what it wrote to stdout and to stderr.
 */
final class ToolHost {
    /** How a tool ends here instead of ending the JVM. */
    private static final class Exited extends Error {
        Exited() {
            super("the tool has called exit", null, false, false);
        }
    }

    /** Some tools keep the System.out they first saw: it stays the same object, and what is behind it changes. */
    private static final class Switch extends OutputStream {
        volatile ByteArrayOutputStream target = new ByteArrayOutputStream();

        @Override
        public void write(int oneByte) {
            target.write(oneByte);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) {
            target.write(bytes, offset, length);
        }
    }

    static void run(Options options) throws IOException {
        PrintStream answers = System.out;
        Switch out = new Switch();
        Switch err = new Switch();
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        BufferedReader calls = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = calls.readLine(); line != null; line = calls.readLine()) {
            List<String> call = new ArrayList<>();
            Output.JSON.readTree(line).forEach(part -> call.add(part.asText()));
            out.target = new ByteArrayOutputStream();
            err.target = new ByteArrayOutputStream();
            int exit = call(call.get(0), call.subList(1, call.size()).toArray(String[]::new));
            var answer = Output.JSON.createObjectNode();
            answer.put("exit", exit).put("out", out.target.toString(StandardCharsets.UTF_8)).put("err", err.target.toString(StandardCharsets.UTF_8));
            answers.println(answer);
            answers.flush();
        }
    }

    private static int call(String className, String[] arguments) {
        // The first code counts: a tool may catch what ends it and call exit again.
        List<Integer> codes = new ArrayList<>();
        List<Runnable> shutdownHooks = new ArrayList<>();
        Exit.Procedure exit = (code, message) -> {
            codes.add(code);
            throw new Exited();
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        Exit.setShutdownHookAdder((name, hook) -> shutdownHooks.add(hook));
        int code = 0;
        try {
            Class.forName(className).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException error) {
            if (codes.isEmpty()) {
                error.getCause().printStackTrace();
                code = 1;
            }
        } catch (ReflectiveOperationException error) {
            error.printStackTrace();
            code = 1;
        }
        shutdownHooks.forEach(Runnable::run);
        return codes.isEmpty() ? code : codes.get(0);
    }

    private ToolHost() {}
}
