"""The idempotent producer, and transactions of one producer on a topic of two partitions."""

from confluent_kafka import TopicPartition

from common import check, create, expect, read_all, text, wait_until


def idempotent(options):
    count = options.number("count", 20_000)
    topic = options.text("prefix") + "idempotent"

    def in_order():
        create(options, topic, 1)
        producer = options.producer(
            enable_idempotence=True, max_in_flight_requests_per_connection=5, batch_num_messages=20, linger_ms=0,
            queue_buffering_max_messages=200_000,
        )
        for i in range(count):
            producer.produce(topic, str(i), partition=0)
        expect(producer.flush(60), 0, "messages not sent")
        values = [text(message.value()) for message in read_all(options, "read_uncommitted", (topic, 0))]
        expect(len(values), count, "records")
        expect(values, [str(i) for i in range(count)], "values")

    check("in-order", in_order)


def run(options):
    prefix = options.text("prefix")
    topic = prefix + "transactions"
    create(options, topic, 2)
    producer = options.transactional(prefix + "transactional-id")
    producer.init_transactions(30)

    def write(value, count):
        for i in range(count):
            for partition in range(2):
                producer.produce(topic, value, f"key-{i}", partition)

    def values(isolation, partition):
        """The distinct values of a partition, in the order of their first appearance."""
        return list(dict.fromkeys(text(message.value()) for message in read_all(options, isolation, (topic, partition))))

    def committed(partition, expected):
        """The broker answers a commit before its markers are written, so committed readers see it a moment later."""
        wait_until(f"committed values {expected}", lambda: values("read_committed", partition) == expected)

    def commit():
        producer.begin_transaction()
        write("committed", 10)
        producer.commit_transaction(30)
        committed(0, ["committed"])
        committed(1, ["committed"])
        expect(len(read_all(options, "read_committed", (topic, 0), (topic, 1))), 20, "records")

    def abort():
        producer.begin_transaction()
        write("aborted", 10)
        producer.flush(30)
        producer.abort_transaction(30)
        expect(len(read_all(options, "read_committed", (topic, 0), (topic, 1))), 20, "committed records")
        expect(values("read_committed", 0), ["committed"], "values")

    def empty():
        for _ in range(3):
            producer.begin_transaction()
            producer.commit_transaction(30)
            producer.begin_transaction()
            producer.abort_transaction(30)
        producer.begin_transaction()
        write("after", 1)
        producer.commit_transaction(30)
        committed(0, ["committed", "after"])

    def isolation():
        expect(values("read_uncommitted", 0), ["committed", "aborted", "after"], "uncommitted values")
        producer.begin_transaction()
        write("open", 5)
        producer.flush(30)
        expect(values("read_uncommitted", 0), ["committed", "aborted", "after", "open"], "uncommitted values")
        expect(values("read_committed", 0), ["committed", "after"], "committed values")
        producer.commit_transaction(30)
        committed(0, ["committed", "after", "open"])

    def send_offsets():
        consumer = options.consumer(group_id=prefix + "transactions")
        group = consumer.consumer_group_metadata()
        producer.begin_transaction()
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5)], group, 30)
        producer.commit_transaction(30)
        producer.begin_transaction()
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 9)], group, 30)
        producer.abort_transaction(30)
        expect(consumer.committed([TopicPartition(topic, 0)], timeout=10)[0].offset, 5, "committed offset")
        consumer.close()

    check("commit", commit)
    check("abort", abort)
    check("empty", empty)
    check("isolation", isolation)
    check("send-offsets", send_offsets)
