package semel.interop;

import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** A producer that is left behind by a second one with its transactional id. */
final class Zombie {
    /** Opens a transaction, says so, waits for a line on stdin, then tries to go on and to commit. */
    static void hold(Options options) throws Exception {
        try (KafkaProducer<String, String> producer = Clients.transactional(options, options.text("transactional-id"),
                "transaction.timeout.ms", options.number("timeout-ms", 60_000))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(options.text("topic"), 0, null, "held")).get();
            Output.print("open", true, "atMs", System.currentTimeMillis());
            if (System.in.read() < 0) return;
            String fencedBy = goOn(producer, options.text("topic"));
            Output.print("fenced", fencedBy != null, "error", fencedBy);
        }
    }

    /** One committed transaction. */
    static void once(Options options) throws Exception {
        try (KafkaProducer<String, String> producer = Clients.transactional(options, options.text("transactional-id"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(options.text("topic"), 0, null, options.text("value"))).get();
            producer.commitTransaction();
        }
        Output.print("committed", true);
    }

    static void inProcess(Options options) {
        String topic = options.text("topic");
        String id = options.text("transactional-id");
        Output.check("fenced-in-process", () -> {
            try (var old = Clients.transactional(options, id); var young = Clients.transactional(options, id)) {
                old.initTransactions();
                old.beginTransaction();
                old.send(new ProducerRecord<>(topic, 0, null, "old")).get();
                young.initTransactions();
                String fencedBy = goOn(old, topic);
                Output.expect(fencedBy != null, "the old producer must be fenced");
                young.beginTransaction();
                young.send(new ProducerRecord<>(topic, 0, null, "young")).get();
                young.commitTransaction();
            }
            List<String> committed = new ArrayList<>();
            Clients.readAll(options, "read_committed", new TopicPartition(topic, 0)).forEach(record -> committed.add(record.value()));
            Output.expect(committed, List.of("young"), "committed records");
        });
    }

    private static String goOn(KafkaProducer<String, String> producer, String topic) throws Exception {
        try {
            try {
                producer.send(new ProducerRecord<>(topic, 0, null, "zombie")).get();
            } catch (java.util.concurrent.ExecutionException error) {
                if (error.getCause() instanceof KafkaException cause) throw cause;
                throw error;
            }
            producer.commitTransaction();
            return null;
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
            return fenced.getClass().getSimpleName();
        } catch (KafkaException wrapped) {
            // After the first failed send, later calls wrap what happened.
            for (Throwable cause = wrapped; cause != null; cause = cause.getCause())
                if (cause instanceof ProducerFencedException || cause instanceof InvalidProducerEpochException) return cause.getClass().getSimpleName();
            throw wrapped;
        }
    }

    private Zombie() {}
}
