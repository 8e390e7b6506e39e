"""Options, results, and the loops every check needs."""

import json
import sys
import time
import traceback

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

WAIT_S = 30
failures = []


class Options:
    def __init__(self, arguments):
        self.values = dict(zip([name.removeprefix("--") for name in arguments[::2]], arguments[1::2]))

    def text(self, name, otherwise=None):
        value = self.values.get(name, otherwise)
        if value is None:
            raise ValueError(f"missing --{name}")
        return value

    def number(self, name, otherwise):
        return int(self.values.get(name, otherwise))

    def client(self, **settings):
        """Client settings: names with _ for the dots."""
        base = {"bootstrap.servers": self.text("bootstrap"), "reconnect.backoff.max.ms": 500}
        return base | {name.replace("_", "."): value for name, value in settings.items()}

    def producer(self, **settings):
        return Producer(self.client(**settings))

    def transactional(self, transactional_id, **settings):
        return Producer(self.client(transactional_id=transactional_id, linger_ms=0, **settings))

    def consumer(self, **settings):
        defaults = {"group_id": "unused", "auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_wait_max_ms": 100}
        return Consumer(self.client(**(defaults | settings)))

    def admin(self):
        return AdminClient(self.client())


def emit(**line):
    print(json.dumps(line), flush=True)


def check(name, body):
    """Runs one check and prints its outcome; a failed one does not stop the others."""
    started = time.monotonic()
    try:
        body()
        emit(check=name, ok=True, ms=round((time.monotonic() - started) * 1000))
    except Exception as error:
        failures.append(name)
        traceback.print_exc()
        emit(check=name, ok=False, ms=round((time.monotonic() - started) * 1000), detail=repr(error))


def limit(name, reason):
    emit(check=name, limit=reason)


def expect(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def wait_until(what, holds):
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        time.sleep(0.02)


def create(options, topic, partitions):
    admin = options.admin()  # must live until the result is there
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result()


def log(*words):
    print(*words, file=sys.stderr, flush=True)


def ends(consumer, partitions):
    """The end of each partition as this consumer's isolation level shows it."""
    found = {}
    for partition in partitions:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                low, high = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=10)
                found[partition] = (low, high)
                break
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise
                log("watermarks again:", error)
                time.sleep(0.2)
    return found


def messages(consumer, partitions, start=None):
    """All messages of the partitions [(topic, number)], from `start` offsets or the beginning to the current end.

    Aborted records and markers are not delivered, so the end is told by the position and by the end-of-partition event.
    """
    limits = ends(consumer, partitions)
    open_partitions = {partition for partition in partitions if limits[partition][1] > (start or {}).get(partition, limits[partition][0])}
    if not open_partitions:
        return
    consumer.assign([TopicPartition(*partition, (start or {}).get(partition, limits[partition][0])) for partition in partitions])
    deadline = time.monotonic() + WAIT_S
    while open_partitions:
        batch = consumer.consume(2000, timeout=0.1)
        if batch:
            deadline = time.monotonic() + WAIT_S
        if time.monotonic() > deadline:
            raise AssertionError(f"the end was not reached in time: {open_partitions}")
        for message in batch:
            partition = (message.topic(), message.partition())
            if message.error() is None:
                yield message
            elif message.error().code() == KafkaError._PARTITION_EOF:
                open_partitions.discard(partition)
            elif not message.error().retriable():
                raise KafkaException(message.error())


def read_all(options, isolation, *partitions):
    consumer = options.consumer(isolation_level=isolation, enable_partition_eof=True)
    try:
        return list(messages(consumer, list(partitions)))
    finally:
        consumer.close()


def text(value):
    return None if value is None else value.decode()
