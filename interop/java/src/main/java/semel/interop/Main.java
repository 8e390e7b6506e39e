package semel.interop;

import java.util.Map;
import org.apache.kafka.common.utils.Exit;

/** Entry point: {@code semel.interop.Main COMMAND --bootstrap HOST:PORT [--option value]…}. See ../../README.md. */
public final class Main {
    @FunctionalInterface
    private interface Command {
        void run(Options options) throws Exception;
    }

    private static final Map<String, Command> COMMANDS = Map.ofEntries(
        Map.entry("basics", Basics::run),
        Map.entry("idempotent", Idempotent::run),
        Map.entry("transactions", Transactions::run),
        Map.entry("load", Load::run),
        Map.entry("next", Load::printNext),
        Map.entry("read", Read::run),
        Map.entry("wait", Read::waitForRecord),
        Map.entry("rpw", ReadProcessWrite::run),
        Map.entry("hold", Zombie::hold),
        Map.entry("once", Zombie::once),
        Map.entry("zombie", Zombie::inProcess),
        Map.entry("create", Admins::create),
        Map.entry("produce", Admins::produce),
        Map.entry("lag", Admins::lag),
        Map.entry("tools", ToolHost::run),
        Map.entry("node", Admins::node),
        Map.entry("feature", Admins::feature));

    public static void main(String[] args) {
        Command command = args.length == 0 ? null : COMMANDS.get(args[0]);
        int code = 2;
        if (command == null) System.err.println("commands: " + COMMANDS.keySet());
        else code = run(command, new Options(args));
        // Through Kafka's Exit, so that the tool host can call this class as well.
        Exit.exit(code);
    }

    private static int run(Command command, Options options) {
        try {
            command.run(options);
            return Output.failures() == 0 ? 0 : 1;
        } catch (Throwable error) {
            error.printStackTrace();
            return 1;
        }
    }

    private Main() {}
}
