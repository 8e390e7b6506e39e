"""A producer that is left behind by a second one with its transactional id."""

import sys
import time

from confluent_kafka import KafkaError, KafkaException

from common import check, emit, expect, read_all, text

FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)


def hold(options):
    """Opens a transaction, says so, waits for a line on stdin, then tries to go on and to commit."""
    topic = options.text("topic")
    producer = options.transactional(options.text("transactional-id"), transaction_timeout_ms=options.number("timeout-ms", 60_000))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, "held", partition=0)
    expect(producer.flush(30), 0, "messages not sent")
    emit(open=True, atMs=round(time.time() * 1000))
    if not sys.stdin.readline():
        return
    fenced_by = go_on(producer, topic)
    emit(fenced=fenced_by is not None, error=fenced_by)


def once(options):
    producer = options.transactional(options.text("transactional-id"))
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(options.text("topic"), options.text("value"), partition=0)
    producer.commit_transaction(30)
    emit(committed=True)


def in_process(options):
    topic = options.text("topic")
    transactional_id = options.text("transactional-id")

    def fenced():
        old = options.transactional(transactional_id)
        old.init_transactions(30)
        old.begin_transaction()
        old.produce(topic, "old", partition=0)
        expect(old.flush(30), 0, "messages not sent")
        young = options.transactional(transactional_id)
        young.init_transactions(30)
        expect(go_on(old, topic) is not None, True, "the old producer is fenced")
        young.begin_transaction()
        young.produce(topic, "young", partition=0)
        young.commit_transaction(30)
        expect([text(message.value()) for message in read_all(options, "read_committed", (topic, 0))], ["young"], "committed records")

    check("fenced-in-process", fenced)


def go_on(producer, topic):
    """Writes and commits; the name of the error if the producer was fenced."""
    try:
        producer.produce(topic, "zombie", partition=0)
        producer.commit_transaction(30)
        return None
    except KafkaException as error:
        if error.args[0].code() in FENCED:
            return error.args[0].name()
        raise
