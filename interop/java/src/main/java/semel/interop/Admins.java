package semel.interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** What the runner needs around the programs under test: topics, plain records, a group's lag, the feature level. */
final class Admins {
    /** {@code --topics name:partitions,…} */
    static void create(Options options) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        for (String topic : options.text("topics").split(",")) {
            String[] parts = topic.split(":");
            topics.add(new NewTopic(parts[0], Integer.parseInt(parts[1]), (short) 1));
        }
        try (Admin admin = Admin.create(options.properties())) {
            admin.createTopics(topics).all().get();
        }
        Output.print("created", topics.size());
    }

    /** {@code --count} records "0", "1", … spread over the topic's partitions in turn; or one {@code --value} to partition 0. */
    static void produce(Options options) throws Exception {
        String topic = options.text("topic");
        try (var producer = Clients.producer(options)) {
            int partitions = producer.partitionsFor(topic).size();
            String value = options.text("value", null);
            int count = options.number("count", 1);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                var result = producer.send(new ProducerRecord<>(topic, i % partitions, "key-" + i, value == null ? String.valueOf(i) : value));
                // Apache Kafka takes any sequence as the first of a producer: were the first batch refused because the topic
                // is being made, a later one could overtake it. So the first of each partition is waited for.
                if (i < partitions) result.get();
                else sent.add(result);
            }
            producer.flush();
            for (var result : sent) result.get();
        }
        Output.print("produced", true, "atMs", System.currentTimeMillis());
    }

    /** Prints the group's lag on a topic about twice a second, until it is zero. */
    static void lag(Options options) throws Exception {
        try (Admin admin = Admin.create(options.properties())) {
            String topic = options.text("topic");
            int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
            long end = 0;
            for (int i = 0; i < partitions; i++) {
                TopicPartition partition = new TopicPartition(topic, i);
                end += admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset();
            }
            while (true) {
                long committed = 0;
                for (var offset : admin.listConsumerGroupOffsets(options.text("group")).partitionsToOffsetAndMetadata().get().values())
                    if (offset != null) committed += offset.offset();
                Output.print("lag", end - committed);
                if (committed >= end) return;
                Thread.sleep(400);
            }
        }
    }

    static void node(Options options) throws Exception {
        try (Admin admin = Admin.create(options.properties())) {
            Output.print("id", admin.describeCluster().nodes().get().iterator().next().id());
        }
    }

    /** Sets the finalized level of a feature, up or down. */
    static void feature(Options options) throws Exception {
        String name = options.text("name", "transaction.version");
        short level = (short) options.number("level", 2);
        try (Admin admin = Admin.create(options.properties())) {
            for (var type : List.of(FeatureUpdate.UpgradeType.UPGRADE, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE)) {
                short now = level(admin, name);
                if (now == level) break;
                if ((type == FeatureUpdate.UpgradeType.UPGRADE) != (level > now)) continue;
                admin.updateFeatures(Map.of(name, new FeatureUpdate(level, type)), new UpdateFeaturesOptions()).all().get();
            }
            Clients.waitUntil(name + " at " + level, () -> level(admin, name) == level);
        }
        Output.print("feature", name, "level", level);
    }

    private static short level(Admin admin, String name) {
        try {
            var range = admin.describeFeatures().featureMetadata().get().finalizedFeatures().get(name);
            return range == null ? 0 : range.maxVersionLevel();
        } catch (ExecutionException | InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private Admins() {}
}
