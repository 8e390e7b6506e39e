package semel.interop;

import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/** The {@code --name value} pairs of the command line, and the client settings every command starts from. */
final class Options {
    private final Map<String, String> values = new HashMap<>();

    Options(String[] args) {
        for (int i = 1; i + 1 < args.length; i += 2) values.put(args[i].replaceFirst("^--", ""), args[i + 1]);
    }

    String text(String name) {
        String value = values.get(name);
        if (value == null) throw new IllegalArgumentException("missing --" + name);
        return value;
    }

    String text(String name, String otherwise) {
        return values.getOrDefault(name, otherwise);
    }

    int number(String name, int otherwise) {
        return Integer.parseInt(values.getOrDefault(name, String.valueOf(otherwise)));
    }

    /** Client properties with this run's bootstrap address and then {@code pairs} of names and values. */
    Properties properties(Object... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", text("bootstrap"));
        // Restarted brokers are back within a second: do not back off for longer than that.
        properties.put("reconnect.backoff.max.ms", "500");
        for (int i = 0; i < pairs.length; i += 2) properties.put((String) pairs[i], String.valueOf(pairs[i + 1]));
        return properties;
    }
}
