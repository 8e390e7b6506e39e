package semel.interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * One transaction per invoice. Every line of the input is one invoice: {@code {"index", "invoice", "abortFirst",
 * "records": [[topic, key, value]…]}}.
 *
 * <p>The audit trail has one partition and exactly one record per invoice, in order. So "which invoice comes next?" is
 * the last committed audit record plus one, whatever happened to the producer: a commit of unknown outcome is resolved
 * by a new producer with the same transactional id (which finishes the old transaction) and that question.
 */
final class Load {
    private static final int TAIL = 4_000;

    private final Options options;
    private final String prefix;
    private int restarts;
    private int redone;

    private Load(Options options) {
        this.options = options;
        this.prefix = options.text("prefix");
    }

    static void run(Options options) throws Exception {
        new Load(options).load();
    }

    /** Prints which invoice comes next: asked by the loaders of clients whose own read_committed cannot be trusted. */
    static void printNext(Options options) {
        Output.print("next", nextInvoice(options));
    }

    private void load() throws Exception {
        KafkaProducer<String, String> producer = null;
        try (BufferedReader input = Files.newBufferedReader(Path.of(options.text("input")), StandardCharsets.UTF_8)) {
            JsonNode invoice = read(input);
            while (invoice != null) {
                try {
                    if (producer == null) {
                        producer = Clients.transactional(options, options.text("transactional-id"), "max.block.ms", 60_000, "linger.ms", 0);
                        producer.initTransactions();
                        int next = nextInvoice(options);
                        Output.expect(next >= invoice.get("index").asInt(), invoice.get("index") + " invoices were committed, " + next + " are there");
                        while (invoice != null && invoice.get("index").asInt() < next) invoice = read(input);
                        continue;
                    }
                    if (invoice.get("abortFirst").asBoolean()) {
                        producer.beginTransaction();
                        write(producer, invoice, "abort");
                        producer.flush();
                        producer.abortTransaction();
                    }
                    producer.beginTransaction();
                    write(producer, invoice, "commit");
                    commit(producer);
                    int done = invoice.get("index").asInt() + 1;
                    if (done % 10 == 0) Output.print("progress", done);
                    invoice = read(input);
                } catch (KafkaException error) {
                    if (error instanceof InterruptException) throw error;
                    if (producer != null && aborted(producer)) {
                        redone++;
                        continue;
                    }
                    restarts++;
                    System.err.println("new producer after " + error);
                    if (producer != null) producer.close(Duration.ZERO);
                    producer = null;
                    Thread.sleep(200);
                }
            }
        }
        if (producer != null) producer.close();
        Output.print("done", true, "restarts", restarts, "redone", redone);
    }

    private void write(KafkaProducer<String, String> producer, JsonNode invoice, String fate) {
        byte[] fateBytes = fate.getBytes(StandardCharsets.UTF_8);
        for (JsonNode record : invoice.get("records")) {
            var message = new ProducerRecord<>(prefix + record.get(0).asText(), record.get(1).asText(), record.get(2).asText());
            message.headers().add(new RecordHeader("fate", fateBytes));
            producer.send(message);
        }
    }

    /** A commit that timed out is still under way: the same call waits for it. */
    private void commit(KafkaProducer<String, String> producer) {
        while (true) {
            try {
                producer.commitTransaction();
                return;
            } catch (TimeoutException error) {
                System.err.println("still committing: " + error.getMessage());
            }
        }
    }

    private boolean aborted(KafkaProducer<String, String> producer) {
        try {
            producer.abortTransaction();
            return true;
        } catch (KafkaException | IllegalStateException fatal) {
            return false;
        }
    }

    private static JsonNode read(BufferedReader input) throws Exception {
        String line = input.readLine();
        return line == null ? null : Output.JSON.readTree(line);
    }

    private static int nextInvoice(Options options) {
        TopicPartition audit = new TopicPartition(options.text("prefix") + "audit", 0);
        try (var consumer = Clients.consumer(options, "isolation.level", "read_committed")) {
            consumer.assign(List.of(audit));
            long start = consumer.beginningOffsets(List.of(audit)).get(audit);
            long end = consumer.endOffsets(List.of(audit)).get(audit);
            for (long back = TAIL; ; back *= 4) {
                consumer.seek(audit, Math.max(start, end - back));
                int next = -1;
                while (consumer.position(audit) < end)
                    for (var record : consumer.poll(Clients.POLL)) next = index(record.value()) + 1;
                if (next >= 0 || end - back <= start) return Math.max(next, 0);
            }
        }
    }

    private static int index(String value) {
        try {
            return Output.JSON.readTree(value).get("index").asInt();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }
}
