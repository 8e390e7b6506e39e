"""Everything a client does that is not transactional."""

import time

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec, ResourceType

from common import check, create, expect, read_all, text, wait_until


def run(options):
    prefix = options.text("prefix")
    main = prefix + "main"
    admin = options.admin()

    def metadata():
        cluster = admin.list_topics(timeout=10)
        expect(len(cluster.brokers), 1, "brokers")
        expect(bool(cluster.cluster_id), True, "a cluster id")

    def create_topic():
        create(options, main, 3)
        expect(len(admin.list_topics(main, timeout=10).topics[main].partitions), 3, "partitions")

    def delete_topic():
        create(options, prefix + "gone", 1)
        admin.delete_topics([prefix + "gone"])[prefix + "gone"].result()
        wait_until("the topic is gone", lambda: prefix + "gone" not in admin.list_topics(timeout=10).topics)

    def produce_consume():
        producer = options.producer()
        for i in range(300):
            producer.produce(main, f"value-{i}", f"key-{i}", i % 3)
        expect(producer.flush(30), 0, "messages not sent")
        values = [text(message.value()) for message in read_all(options, "read_uncommitted", (main, 0), (main, 1), (main, 2))]
        expect(len(values), 300, "records")
        expect(len(set(values)), 300, "distinct values")

    def compression(codec):
        topic = prefix + codec
        create(options, topic, 1)
        words = "the same words again and again " * 20
        producer = options.producer(compression_type=codec, linger_ms=50)
        for i in range(200):
            producer.produce(topic, f"{i}{words}", "key")
        expect(producer.flush(30), 0, "messages not sent")
        values = [text(message.value()) for message in read_all(options, "read_uncommitted", (topic, 0))]
        expect(values, [f"{i}{words}" for i in range(200)], "values")

    def headers():
        topic = prefix + "headers"
        create(options, topic, 1)
        given = [("a", b"1"), ("é", None), ("a", b"")]
        send(topic, "value", "key", headers=given)
        expect(read_all(options, "read_uncommitted", (topic, 0))[0].headers(), given, "headers")

    def nulls():
        topic = prefix + "nulls"
        create(options, topic, 1)
        pairs = [(None, b"value"), (b"key", None), (None, None), (b"", b"")]
        for key, value in pairs:
            send(topic, value, key)
        expect([(message.key(), message.value()) for message in read_all(options, "read_uncommitted", (topic, 0))], pairs, "records")

    def big_record():
        topic = prefix + "big"
        create(options, topic, 1)
        value = bytes(i * 31 % 256 for i in range(990_000))
        send(topic, value, None)
        expect(read_all(options, "read_uncommitted", (topic, 0))[0].value(), value, "value")

    def send(topic, value, key, **more):
        producer = options.producer()
        errors = []
        producer.produce(topic, value, key, 0, on_delivery=lambda error, _: errors.append(error), **more)
        expect(producer.flush(30), 0, "messages not sent")
        expect(errors, [None], "delivery errors")

    def offsets():
        consumer = options.consumer(group_id=prefix + "offsets")
        consumer.commit(offsets=[TopicPartition(main, 0, 42, "note")], asynchronous=False)
        consumer.close()
        consumer = options.consumer(group_id=prefix + "offsets")
        committed = consumer.committed([TopicPartition(main, 0)], timeout=10)[0]
        consumer.close()
        expect((committed.offset, committed.metadata), (42, "note"), "committed offset and its note")

    def group_rebalance():
        topic = prefix + "rebalance"
        create(options, topic, 6)
        members = [
            options.consumer(group_id=prefix + "rebalance", heartbeat_interval_ms=300, session_timeout_ms=10_000) for _ in range(3)
        ]
        for member in members:
            member.subscribe([topic])
        poll_until(members, 2)
        described = admin.describe_consumer_groups([prefix + "rebalance"])[prefix + "rebalance"].result()
        expect(len(described.members), 3, "members described")
        members.pop(0).close()
        poll_until(members, 3)
        for member in members:
            member.close()

    def poll_until(members, each):
        def shared():
            for member in members:
                member.poll(0.1)
            return all(len(member.assignment()) == each for member in members)

        wait_until(f"{each} partitions for each of {len(members)}", shared)
        expect(len({(one.topic, one.partition) for member in members for one in member.assignment()}), 6, "partitions assigned")

    def static_member():
        topic = prefix + "static"
        create(options, topic, 2)
        seen = []
        for _ in range(2):
            assignments = []
            member = options.consumer(group_id=prefix + "static", group_instance_id="one", session_timeout_ms=10_000)
            member.subscribe([topic], on_assign=lambda _, partitions: assignments.append(partitions))

            def assigned():
                member.poll(0.1)
                return len(assignments) > 0

            started = time.monotonic()
            wait_until("an assignment", assigned)
            expect(time.monotonic() - started < 9, True, "the static member did not wait for its old session to end")
            described = admin.describe_consumer_groups([prefix + "static"])[prefix + "static"].result()
            expect([one.group_instance_id for one in described.members], ["one"], "members")
            seen.append(described.members[0].member_id)
            member.close()
        expect(seen[0] != seen[1], True, "a new member id")

    def list_groups():
        groups = {group.group_id for group in admin.list_consumer_groups().result().valid}
        expect({prefix + "offsets", prefix + "rebalance"} <= groups, True, "both groups are listed")

    def describe_group():
        group = admin.describe_consumer_groups([prefix + "rebalance"])[prefix + "rebalance"].result()
        expect((group.state.name, len(group.members)), ("EMPTY", 0), "state and members")
        listed = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(prefix + "offsets")])[prefix + "offsets"].result()
        expect([(one.topic, one.offset) for one in listed.topic_partitions], [(main, 42)], "offsets of the other group")

    def delete_group():
        admin.delete_consumer_groups([prefix + "offsets"])[prefix + "offsets"].result()
        groups = {group.group_id for group in admin.list_consumer_groups().result().valid}
        expect(prefix + "offsets" in groups, False, "the group is listed")

    def configs():
        entry = ConfigEntry("retention.ms", "123456789", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, main, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result()
        wait_until("the new value is shown", lambda: describe(ResourceType.TOPIC, main, "retention.ms") == "123456789")
        broker = str(next(iter(admin.list_topics(timeout=10).brokers)))
        expect(describe(ResourceType.BROKER, broker, "transaction.max.timeout.ms"), "900000", "a broker setting")

    def describe(kind, resource_name, name):
        resource = ConfigResource(kind, resource_name)
        return admin.describe_configs([resource])[resource].result()[name].value

    def listed(topic, spec):
        partition = TopicPartition(topic, 0)
        return admin.list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_COMMITTED)[partition].result().offset

    def list_offsets():
        expect(listed(main, OffsetSpec.earliest()), 0, "earliest")
        expect(listed(main, OffsetSpec.latest()), 100, "latest")

    def offsets_for_time():
        topic = prefix + "time"
        create(options, topic, 1)
        start = int(time.time() * 1000) - 100_000
        producer = options.producer()
        for i in range(50):
            producer.produce(topic, f"value-{i}", "key", 0, timestamp=start + i * 1000)
        expect(producer.flush(30), 0, "messages not sent")
        consumer = options.consumer()
        expect(consumer.offsets_for_times([TopicPartition(topic, 0, start + 20_500)], timeout=10)[0].offset, 21, "first offset at or after")
        expect(consumer.offsets_for_times([TopicPartition(topic, 0, start + 60_000)], timeout=10)[0].offset, -1, "after the last record")
        consumer.close()
        expect(listed(topic, OffsetSpec.max_timestamp()), 49, "offset of the greatest timestamp")

    def delete_records():
        partition = TopicPartition(main, 0, 40)
        expect(admin.delete_records([partition])[partition].result().low_watermark, 40, "low watermark")
        records = read_all(options, "read_uncommitted", (main, 0))
        expect((records[0].offset(), len(records)), (40, 60), "first offset and count of what is left")

    check("metadata", metadata)
    check("create-topic", create_topic)
    check("delete-topic", delete_topic)
    check("produce-consume", produce_consume)
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        check(codec, lambda codec=codec: compression(codec))
    check("headers", headers)
    check("null-key-value", nulls)
    check("big-record", big_record)
    check("offsets", offsets)
    check("group-rebalance", group_rebalance)
    check("static-member", static_member)
    check("list-groups", list_groups)
    check("describe-group", describe_group)
    check("delete-group", delete_group)
    check("configs", configs)
    check("list-offsets", list_offsets)
    check("offsets-for-time", offsets_for_time)
    check("delete-records", delete_records)
