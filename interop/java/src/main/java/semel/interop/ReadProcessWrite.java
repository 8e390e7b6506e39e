package semel.interop;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/**
 * One member of a read-process-write group: what a poll returned, its outputs and its offsets are one transaction. Runs
 * until it is killed. Each output names its source, so that a lost or doubled one can be told.
 */
final class ReadProcessWrite {
    static void run(Options options) throws Exception {
        String target = options.text("out");
        long processed = 0;
        KafkaProducer<String, String> producer = null;
        try (KafkaConsumer<String, String> consumer = Clients.consumer(options, "group.id", options.text("group"),
                "isolation.level", "read_committed", "max.poll.records", options.number("batch", 20),
                "session.timeout.ms", 6_000, "heartbeat.interval.ms", 1_000)) {
            consumer.subscribe(List.of(options.text("in")));
            while (true) {
                if (producer == null) {
                    producer = Clients.transactional(options, options.text("transactional-id"), "transaction.timeout.ms", 8_000, "linger.ms", 0);
                    producer.initTransactions();
                    Output.print("ready", true);
                }
                ConsumerRecords<String, String> records = consumer.poll(Clients.POLL);
                if (records.isEmpty()) continue;
                try {
                    producer.beginTransaction();
                    Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                    for (var record : records) {
                        var output = new ProducerRecord<>(target, record.key(), record.value());
                        output.headers().add("fate", (record.partition() + ":" + record.offset()).getBytes(StandardCharsets.UTF_8));
                        producer.send(output);
                        offsets.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                    }
                    Thread.sleep(options.number("delay", 0));
                    producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    producer.commitTransaction();
                    processed += records.count();
                    Output.print("processed", processed);
                } catch (KafkaException error) {
                    System.err.println("undone: " + error);
                    try {
                        producer.abortTransaction();
                    } catch (KafkaException | IllegalStateException fatal) {
                        producer.close(Duration.ZERO);
                        producer = null;
                    }
                    rewind(consumer);
                }
            }
        }
    }

    /** Back to what the group has committed, so that an aborted batch is read again. */
    private static void rewind(KafkaConsumer<String, String> consumer) {
        var committed = consumer.committed(consumer.assignment());
        for (TopicPartition partition : consumer.assignment()) {
            OffsetAndMetadata offset = committed.get(partition);
            if (offset == null) consumer.seekToBeginning(List.of(partition));
            else consumer.seek(partition, offset);
        }
    }

    private ReadProcessWrite() {}
}
