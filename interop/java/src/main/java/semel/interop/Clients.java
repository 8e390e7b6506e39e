package semel.interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Producers and consumers of strings, and the two loops every check needs. */
final class Clients {
    static final Duration POLL = Duration.ofMillis(100);
    static final long WAIT_MS = 30_000;

    static KafkaProducer<String, String> producer(Options options, Object... pairs) {
        return new KafkaProducer<>(options.properties(pairs), new StringSerializer(), new StringSerializer());
    }

    static KafkaProducer<String, String> transactional(Options options, String transactionalId, Object... pairs) {
        Properties properties = options.properties(pairs);
        properties.put("transactional.id", transactionalId);
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    static KafkaConsumer<String, String> consumer(Options options, Object... pairs) {
        Properties properties = options.properties(pairs);
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.putIfAbsent("enable.auto.commit", "false");
        properties.putIfAbsent("fetch.max.wait.ms", "100");
        return new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer());
    }

    /** Reads the partitions from their start to the end this isolation level shows. */
    static List<ConsumerRecord<String, String>> readAll(Options options, String isolation, TopicPartition... partitions) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        try (var consumer = consumer(options, "isolation.level", isolation)) {
            List<TopicPartition> assigned = List.of(partitions);
            consumer.assign(assigned);
            consumer.seekToBeginning(assigned);
            Map<TopicPartition, Long> ends = consumer.endOffsets(assigned);
            long deadline = System.currentTimeMillis() + WAIT_MS;
            while (assigned.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                Output.expect(System.currentTimeMillis() < deadline, "the end " + ends + " was not reached in time");
                consumer.poll(POLL).forEach(records::add);
            }
        }
        return records;
    }

    static void waitUntil(String what, BooleanSupplier holds) throws InterruptedException {
        long deadline = System.currentTimeMillis() + WAIT_MS;
        while (!holds.getAsBoolean()) {
            Output.expect(System.currentTimeMillis() < deadline, "not in time: " + what);
            Thread.sleep(20);
        }
    }

    private Clients() {}
}
