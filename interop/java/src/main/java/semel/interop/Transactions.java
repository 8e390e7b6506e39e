package semel.interop;

import static semel.interop.Output.check;
import static semel.interop.Output.expect;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Transactions of one producer on a topic of two partitions. */
final class Transactions {
    static void run(Options options) throws Exception {
        String prefix = options.text("prefix");
        String topic = prefix + "transactions";
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (Admin admin = Admin.create(options.properties())) {
            Basics.create(admin, topic, 2);
        }
        try (KafkaProducer<String, String> producer = Clients.transactional(options, prefix + "transactional-id")) {
            producer.initTransactions();
            check("commit", () -> {
                producer.beginTransaction();
                write(producer, topic, "committed", 10);
                producer.commitTransaction();
                committed(options, first, List.of("committed"));
                committed(options, second, List.of("committed"));
                expect(Clients.readAll(options, "read_committed", first, second).size(), 20, "records");
            });
            check("abort", () -> {
                producer.beginTransaction();
                write(producer, topic, "aborted", 10);
                producer.flush();
                producer.abortTransaction();
                expect(Clients.readAll(options, "read_committed", first, second).size(), 20, "committed records");
                expect(values(options, "read_committed", first), List.of("committed"), "values");
            });
            check("empty", () -> {
                for (int i = 0; i < 3; i++) {
                    producer.beginTransaction();
                    producer.commitTransaction();
                    producer.beginTransaction();
                    producer.abortTransaction();
                }
                producer.beginTransaction();
                write(producer, topic, "after", 1);
                producer.commitTransaction();
                committed(options, first, List.of("committed", "after"));
            });
            check("isolation", () -> {
                expect(values(options, "read_uncommitted", first), List.of("committed", "aborted", "after"), "uncommitted values");
                producer.beginTransaction();
                write(producer, topic, "open", 5);
                producer.flush();
                expect(values(options, "read_uncommitted", first), List.of("committed", "aborted", "after", "open"), "uncommitted values");
                expect(values(options, "read_committed", first), List.of("committed", "after"), "committed values");
                producer.commitTransaction();
                committed(options, first, List.of("committed", "after", "open"));
            });
            check("send-offsets", () -> {
                ConsumerGroupMetadata group = new ConsumerGroupMetadata(prefix + "transactions");
                producer.beginTransaction();
                producer.sendOffsetsToTransaction(Map.of(first, new OffsetAndMetadata(5)), group);
                producer.commitTransaction();
                producer.beginTransaction();
                producer.sendOffsetsToTransaction(Map.of(first, new OffsetAndMetadata(9)), group);
                producer.abortTransaction();
                try (var consumer = Clients.consumer(options, "group.id", prefix + "transactions")) {
                    expect(consumer.committed(Set.of(first)).get(first).offset(), 5, "committed offset");
                }
            });
        }
    }

    /** The broker answers a commit before its markers are written, so committed readers see it a moment later. */
    private static void committed(Options options, TopicPartition partition, List<String> expected) throws InterruptedException {
        Clients.waitUntil("committed values " + expected, () -> values(options, "read_committed", partition).equals(expected));
    }

    private static void write(KafkaProducer<String, String> producer, String topic, String value, int count) {
        for (int i = 0; i < count; i++)
            for (int partition = 0; partition < 2; partition++) producer.send(new ProducerRecord<>(topic, partition, "key-" + i, value));
    }

    /** The distinct values of a partition, in the order of their first appearance. */
    private static List<String> values(Options options, String isolation, TopicPartition partition) {
        return Clients.readAll(options, isolation, partition).stream().map(record -> record.value()).distinct().toList();
    }

    private Transactions() {}
}
