"""One member of a read-process-write group: what was read, its outputs and its offsets are one transaction."""

import time

from confluent_kafka import KafkaException, TopicPartition

from common import emit, log


def run(options):
    target = options.text("out")
    delay_s = options.number("delay", 0) / 1000
    producer = None
    consumer = options.consumer(
        group_id=options.text("group"), isolation_level="read_committed", session_timeout_ms=6000, heartbeat_interval_ms=1000
    )
    consumer.subscribe([options.text("in")])
    processed = 0
    while True:
        if producer is None:
            producer = options.transactional(options.text("transactional-id"), transaction_timeout_ms=8000)
            producer.init_transactions(60)
            emit(ready=True)
        batch = [message for message in consumer.consume(options.number("batch", 20), timeout=0.1) if message.error() is None]
        if not batch:
            continue
        try:
            producer.begin_transaction()
            offsets = {}
            for message in batch:
                source = f"{message.partition()}:{message.offset()}"
                producer.produce(target, message.value(), message.key(), headers=[("fate", source)])
                offsets[message.partition()] = TopicPartition(message.topic(), message.partition(), message.offset() + 1)
            time.sleep(delay_s)
            producer.send_offsets_to_transaction(list(offsets.values()), consumer.consumer_group_metadata(), 30)
            producer.commit_transaction(30)
            processed += len(batch)
            emit(processed=processed)
        except KafkaException as error:
            log("undone:", error)
            try:
                producer.abort_transaction(30)
            except KafkaException as fatal:
                log("new producer after", fatal)
                producer = None
            rewind(consumer)


def rewind(consumer):
    """Back to what the group has committed, so that an aborted batch is read again."""
    assigned = consumer.assignment()
    if not assigned:
        return
    for partition in consumer.committed(assigned, timeout=30):
        if partition.offset < 0:
            partition.offset = 0
        try:
            consumer.seek(partition)
        except KafkaException as error:
            # The partition has gone to another member meanwhile, which starts from the committed offset by itself.
            log("no seek:", error)
