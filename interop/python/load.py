"""One transaction per invoice, and reading it back. The audit trail (one partition, one record per invoice, in order)
tells after any accident which invoice comes next: the last committed audit record plus one."""

import json
import time

from confluent_kafka import KafkaException

from common import ends, emit, log, messages, text

TAIL = 4_000
COMMIT_TIMEOUT_S = 30


def run(options):
    prefix = options.text("prefix")
    restarts = redone = 0
    producer = None
    with open(options.text("input"), encoding="utf-8") as lines:
        invoices = map(json.loads, lines)
        invoice = next(invoices, None)
        while invoice is not None:
            try:
                if producer is None:
                    producer = options.transactional(options.text("transactional-id"))
                    producer.init_transactions(60)
                    due = next_invoice(options, prefix)
                    if due < invoice["index"]:
                        raise AssertionError(f"{invoice['index']} invoices were committed, {due} are there")
                    while invoice is not None and invoice["index"] < due:
                        invoice = next(invoices, None)
                    continue
                if invoice["abortFirst"]:
                    producer.begin_transaction()
                    write(producer, prefix, invoice, "abort")
                    producer.flush(COMMIT_TIMEOUT_S)
                    producer.abort_transaction(COMMIT_TIMEOUT_S)
                producer.begin_transaction()
                write(producer, prefix, invoice, "commit")
                finish(producer.commit_transaction)
                done = invoice["index"] + 1
                if done % 10 == 0:
                    emit(progress=done)
                invoice = next(invoices, None)
            except KafkaException as error:
                problem = error.args[0]
                if producer is not None and problem.txn_requires_abort():
                    try:
                        finish(producer.abort_transaction)
                        redone += 1
                        continue
                    except KafkaException as worse:
                        log("the abort failed:", worse)
                restarts += 1
                log("new producer after", error)
                producer = None
                time.sleep(0.2)
    emit(done=True, restarts=restarts, redone=redone)


def finish(call):
    """Commits or aborts; a call that timed out is still under way and is repeated."""
    while True:
        try:
            return call(COMMIT_TIMEOUT_S)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            log("still under way:", error)


def write(producer, prefix, invoice, fate):
    for topic, key, value in invoice["records"]:
        producer.produce(prefix + topic, value, key, headers=[("fate", fate)])
    producer.poll(0)


def next_invoice(options, prefix):
    audit = (prefix + "audit", 0)
    consumer = options.consumer(isolation_level="read_committed", enable_partition_eof=True)
    try:
        low, high = ends(consumer, [audit])[audit]
        back = TAIL
        while True:
            due = 0
            for message in messages(consumer, [audit], {audit: max(low, high - back)}):
                due = json.loads(message.value())["index"] + 1
            if due > 0 or high - back <= low:
                return due
            back *= 4
    finally:
        consumer.close()


def read(options):
    consumer = options.consumer(isolation_level=options.text("isolation"), enable_partition_eof=True)
    known = consumer.list_topics(timeout=30).topics
    partitions = [(topic, number) for topic in options.text("topics").split(",") for number in known[topic].partitions]
    records = 0
    with open(options.text("out"), "w", encoding="utf-8") as out:
        for message in messages(consumer, partitions):
            fate = dict(message.headers() or []).get("fate")
            line = {
                "t": message.topic(), "p": message.partition(), "o": message.offset(),
                "k": text(message.key()), "v": text(message.value()), "f": text(fate),
            }
            out.write(json.dumps(line) + "\n")
            records += 1
    consumer.close()
    emit(records=records)
