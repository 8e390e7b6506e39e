package semel.interop;

import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Reads topics from start to end, every record as one JSON object: t(opic) p(artition) o(ffset) k(ey) v(alue) f(ate). */
final class Read {
    static void run(Options options) throws Exception {
        long records = 0;
        try (BufferedWriter out = Files.newBufferedWriter(Path.of(options.text("out")), StandardCharsets.UTF_8);
             var consumer = Clients.consumer(options, "isolation.level", options.text("isolation"), "max.poll.records", 5_000)) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (String topic : options.text("topics").split(","))
                consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Set<TopicPartition> open = new HashSet<>(partitions);
            while (true) {
                open.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
                if (open.isEmpty()) break;
                for (ConsumerRecord<String, String> record : consumer.poll(Clients.POLL)) {
                    var fate = record.headers().lastHeader("fate");
                    Map<String, Object> line = new LinkedHashMap<>();
                    line.put("t", record.topic());
                    line.put("p", record.partition());
                    line.put("o", record.offset());
                    line.put("k", record.key());
                    line.put("v", record.value());
                    line.put("f", fate == null ? null : new String(fate.value(), StandardCharsets.UTF_8));
                    out.write(Output.JSON.writeValueAsString(line));
                    out.write('\n');
                    records++;
                }
            }
        }
        Output.print("records", records);
    }

    /** Waits, reading committed records of partition 0, for one with the given value; prints when it was there. */
    static void waitForRecord(Options options) {
        TopicPartition partition = new TopicPartition(options.text("topic"), 0);
        try (var consumer = Clients.consumer(options, "isolation.level", "read_committed", "fetch.max.wait.ms", 100)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            List<String> before = new ArrayList<>();
            Output.print("waiting", true);
            while (true) {
                for (var record : consumer.poll(Duration.ofMillis(50))) {
                    if (record.value().equals(options.text("value"))) {
                        Output.print("seenAtMs", System.currentTimeMillis(), "before", before);
                        return;
                    }
                    before.add(record.value());
                }
            }
        }
    }

    private Read() {}
}
