package semel.interop;

import static semel.interop.Output.check;
import static semel.interop.Output.expect;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Everything a client does that is not transactional. */
final class Basics {
    static void run(Options options) {
        String prefix = options.text("prefix");
        try (Admin admin = Admin.create(options.properties())) {
            check("metadata", () -> {
                expect(admin.describeCluster().nodes().get().size(), 1, "brokers");
                expect(!admin.describeCluster().clusterId().get().isEmpty(), "a cluster id");
            });
            check("create-topic", () -> {
                create(admin, prefix + "main", 3);
                expect(admin.describeTopics(List.of(prefix + "main")).allTopicNames().get().get(prefix + "main").partitions().size(), 3, "partitions");
                expect(admin.listTopics().names().get().contains(prefix + "main"), "the topic is listed");
            });
            check("delete-topic", () -> {
                create(admin, prefix + "gone", 1);
                admin.deleteTopics(List.of(prefix + "gone")).all().get();
                Clients.waitUntil("the topic is gone", () -> !names(admin).contains(prefix + "gone"));
            });
            check("produce-consume", () -> {
                try (var producer = Clients.producer(options)) {
                    for (int i = 0; i < 300; i++) producer.send(new ProducerRecord<>(prefix + "main", i % 3, "key-" + i, "value-" + i));
                }
                var records = Clients.readAll(options, "read_uncommitted", partition(prefix + "main", 0), partition(prefix + "main", 1), partition(prefix + "main", 2));
                Set<String> values = new HashSet<>();
                records.forEach(record -> values.add(record.value()));
                expect(records.size(), 300, "records");
                expect(values.size(), 300, "distinct values");
            });
            for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) check(codec, () -> compression(options, admin, prefix, codec));
            check("headers", () -> headers(options, admin, prefix));
            check("null-key-value", () -> nulls(options, admin, prefix));
            check("big-record", () -> bigRecord(options, admin, prefix));
            check("offsets", () -> offsets(options, prefix));
            check("group-rebalance", () -> groupRebalance(options, admin, prefix));
            check("static-member", () -> staticMember(options, admin, prefix));
            check("list-groups", () -> {
                Set<String> groups = new HashSet<>();
                for (GroupListing group : admin.listGroups().all().get()) groups.add(group.groupId());
                expect(groups.contains(prefix + "offsets") && groups.contains(prefix + "rebalance"), "both groups are listed: " + groups);
            });
            check("describe-group", () -> {
                var group = admin.describeConsumerGroups(List.of(prefix + "rebalance")).all().get().get(prefix + "rebalance");
                expect(group.groupState(), "Empty", "state");
                expect(group.members().size(), 0, "members");
            });
            check("delete-group", () -> {
                admin.deleteConsumerGroups(List.of(prefix + "offsets")).all().get();
                for (GroupListing group : admin.listGroups().all().get()) expect(!group.groupId().equals(prefix + "offsets"), "the group is gone");
            });
            check("configs", () -> {
                var resource = new ConfigResource(ConfigResource.Type.TOPIC, prefix + "main");
                admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry("retention.ms", "123456789"), AlterConfigOp.OpType.SET)))).all().get();
                Clients.waitUntil("the new value is shown", () -> "123456789".equals(config(admin, resource, "retention.ms")));
                var broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(admin.describeCluster().nodes().get().iterator().next().id()));
                expect(config(admin, broker, "transaction.max.timeout.ms"), "900000", "a broker setting");
            });
            check("list-offsets", () -> {
                expect(offset(admin, prefix + "main", OffsetSpec.earliest()), 0, "earliest");
                expect(offset(admin, prefix + "main", OffsetSpec.latest()), 100, "latest");
                expect(offset(admin, prefix + "main", OffsetSpec.maxTimestamp()) >= 0, "an offset of the greatest timestamp");
            });
            check("offsets-for-time", () -> offsetsForTime(options, admin, prefix));
            check("delete-records", () -> {
                var deleted = admin.deleteRecords(Map.of(partition(prefix + "main", 0), RecordsToDelete.beforeOffset(40)));
                expect(deleted.all().isCompletedExceptionally(), false, "failed");
                expect(deleted.lowWatermarks().get(partition(prefix + "main", 0)).get().lowWatermark(), 40, "low watermark");
                expect(offset(admin, prefix + "main", OffsetSpec.earliest()), 40, "earliest");
                var records = Clients.readAll(options, "read_uncommitted", partition(prefix + "main", 0));
                expect(records.get(0).offset(), 40, "first offset that is read");
                expect(records.size(), 60, "records left");
            });
        }
    }

    private static void compression(Options options, Admin admin, String prefix, String codec) throws Exception {
        String topic = prefix + codec;
        create(admin, topic, 1);
        String text = "the same words again and again ".repeat(20);
        try (var producer = Clients.producer(options, "compression.type", codec, "linger.ms", 50)) {
            for (int i = 0; i < 200; i++) producer.send(new ProducerRecord<>(topic, "key", i + text));
        }
        var records = Clients.readAll(options, "read_uncommitted", partition(topic, 0));
        expect(records.size(), 200, "records");
        for (int i = 0; i < 200; i++) expect(records.get(i).value(), i + text, "record " + i);
    }

    private static void headers(Options options, Admin admin, String prefix) throws Exception {
        String topic = prefix + "headers";
        create(admin, topic, 1);
        try (var producer = Clients.producer(options)) {
            var record = new ProducerRecord<>(topic, "key", "value");
            record.headers().add(new RecordHeader("a", "1".getBytes(StandardCharsets.UTF_8))).add(new RecordHeader("é", null)).add(new RecordHeader("a", new byte[0]));
            producer.send(record).get();
        }
        var headers = Clients.readAll(options, "read_uncommitted", partition(topic, 0)).get(0).headers().toArray();
        expect(headers.length, 3, "headers");
        expect(headers[0].key() + new String(headers[0].value(), StandardCharsets.UTF_8), "a1", "first header");
        expect(headers[1].key() + headers[1].value(), "énull", "second header");
        expect(headers[2].value().length, 0, "length of the third header");
    }

    private static void nulls(Options options, Admin admin, String prefix) throws Exception {
        String topic = prefix + "nulls";
        create(admin, topic, 1);
        try (var producer = Clients.producer(options)) {
            producer.send(new ProducerRecord<>(topic, null, "value"));
            producer.send(new ProducerRecord<>(topic, "key", null));
            producer.send(new ProducerRecord<>(topic, null, null));
            producer.send(new ProducerRecord<>(topic, "", ""));
        }
        List<String> seen = new ArrayList<>();
        for (ConsumerRecord<String, String> record : Clients.readAll(options, "read_uncommitted", partition(topic, 0))) seen.add(record.key() + "=" + record.value());
        expect(seen, List.of("null=value", "key=null", "null=null", "="), "records");
    }

    private static void bigRecord(Options options, Admin admin, String prefix) throws Exception {
        String topic = prefix + "big";
        create(admin, topic, 1);
        byte[] value = new byte[1_000_000];
        for (int i = 0; i < value.length; i++) value[i] = (byte) (i * 31);
        try (var producer = new KafkaProducer<>(options.properties(), new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(new ProducerRecord<>(topic, value)).get();
        }
        // A fetch limit below the size of the record must still return it.
        try (var consumer = new KafkaConsumer<>(options.properties("max.partition.fetch.bytes", 1_000, "fetch.max.bytes", 1_000), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition(topic, 0)));
            consumer.seekToBeginning(List.of(partition(topic, 0)));
            List<byte[]> values = new ArrayList<>();
            Clients.waitUntil("the record", () -> {
                consumer.poll(Clients.POLL).forEach(record -> values.add(record.value()));
                return !values.isEmpty();
            });
            expect(java.util.Arrays.equals(values.get(0), value), "the same bytes");
        }
    }

    private static void offsets(Options options, String prefix) throws Exception {
        TopicPartition partition = partition(prefix + "main", 0);
        try (var consumer = Clients.consumer(options, "group.id", prefix + "offsets")) {
            consumer.assign(List.of(partition));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(42, "note")));
        }
        try (var consumer = Clients.consumer(options, "group.id", prefix + "offsets")) {
            consumer.assign(List.of(partition));
            expect(consumer.committed(Set.of(partition)).get(partition).offset(), 42, "committed offset");
            expect(consumer.committed(Set.of(partition)).get(partition).metadata(), "note", "its note");
            expect(consumer.position(partition), 42, "position");
        }
    }

    private static void groupRebalance(Options options, Admin admin, String prefix) throws Exception {
        String topic = prefix + "rebalance";
        create(admin, topic, 6);
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        try {
            for (int i = 0; i < 3; i++) {
                var member = Clients.consumer(options, "group.id", prefix + "rebalance", "heartbeat.interval.ms", 300, "session.timeout.ms", 10_000);
                member.subscribe(List.of(topic));
                members.add(member);
            }
            pollUntilShared(members, 2);
            expect(admin.describeConsumerGroups(List.of(prefix + "rebalance")).all().get().get(prefix + "rebalance").members().size(), 3, "members described");
            members.remove(0).close();
            pollUntilShared(members, 3);
        } finally {
            members.forEach(KafkaConsumer::close);
        }
    }

    private static void pollUntilShared(List<KafkaConsumer<String, String>> members, int each) throws Exception {
        Clients.waitUntil(each + " partitions for each of " + members.size(), () -> {
            members.forEach(member -> member.poll(Clients.POLL));
            return members.stream().allMatch(member -> member.assignment().size() == each);
        });
        Set<TopicPartition> all = new HashSet<>();
        members.forEach(member -> all.addAll(member.assignment()));
        expect(all.size(), 6, "partitions assigned");
    }

    private static void staticMember(Options options, Admin admin, String prefix) throws Exception {
        String topic = prefix + "static";
        create(admin, topic, 2);
        Object[] settings = {"group.id", prefix + "static", "group.instance.id", "one", "session.timeout.ms", 10_000};
        int generation;
        String memberId;
        try (var consumer = Clients.consumer(options, settings)) {
            consumer.subscribe(List.of(topic));
            pollUntilAssigned(consumer);
            generation = consumer.groupMetadata().generationId();
            memberId = consumer.groupMetadata().memberId();
        }
        try (var consumer = Clients.consumer(options, settings)) {
            consumer.subscribe(List.of(topic));
            pollUntilAssigned(consumer);
            expect(consumer.groupMetadata().generationId(), generation, "generation after the restart of a static member");
            expect(!consumer.groupMetadata().memberId().equals(memberId), "a new member id");
        }
    }

    private static void pollUntilAssigned(KafkaConsumer<String, String> consumer) throws Exception {
        Clients.waitUntil("an assignment", () -> {
            consumer.poll(Clients.POLL);
            return consumer.assignment().size() == 2;
        });
    }

    private static void offsetsForTime(Options options, Admin admin, String prefix) throws Exception {
        String topic = prefix + "time";
        create(admin, topic, 1);
        long start = System.currentTimeMillis() - 100_000;
        try (var producer = Clients.producer(options)) {
            for (int i = 0; i < 50; i++) producer.send(new ProducerRecord<>(topic, 0, start + i * 1_000L, "key", "value-" + i)).get();
        }
        try (var consumer = Clients.consumer(options)) {
            TopicPartition partition = partition(topic, 0);
            expect(consumer.offsetsForTimes(Map.of(partition, start + 20_500)).get(partition).offset(), 21, "first offset at or after");
            expect(consumer.offsetsForTimes(Map.of(partition, start + 20_000)).get(partition).timestamp(), start + 20_000, "its timestamp");
            expect(consumer.offsetsForTimes(Map.of(partition, start + 60_000)).get(partition), null, "after the last record");
        }
        expect(offset(admin, topic, OffsetSpec.maxTimestamp()), 49, "offset of the greatest timestamp");
    }

    static void create(Admin admin, String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
    }

    static TopicPartition partition(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    private static long offset(Admin admin, String topic, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(partition(topic, 0), spec)).partitionResult(partition(topic, 0)).get().offset();
    }

    private static Set<String> names(Admin admin) {
        try {
            return admin.listTopics().names().get();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static String config(Admin admin, ConfigResource resource, String name) {
        try {
            return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value();
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private Basics() {}
}
