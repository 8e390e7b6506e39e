package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// idempotent writes many small batches: every record once, in order. The client decides how many requests are in flight.
func idempotent(options Options) error {
	count := options.number("count", 20_000)
	topic := options["prefix"] + "idempotent"
	check("in-order", func() error {
		if err := create(options, topic, 1); err != nil {
			return err
		}
		client, err := options.client(kgo.ProducerLinger(0), kgo.ProducerBatchMaxBytes(1_000), kgo.MaxBufferedRecords(count))
		if err != nil {
			return err
		}
		defer client.Close()
		var failed error
		for i := range count {
			client.Produce(background, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(i))}, func(_ *kgo.Record, err error) {
				if err != nil {
					failed = err
				}
			})
		}
		if err := client.Flush(background); err != nil {
			return err
		}
		if failed != nil {
			return failed
		}
		back, err := readAll(options, false, partition{topic, 0})
		if err != nil {
			return err
		}
		for i, record := range back {
			if err := expect(string(record.Value), i, "record "+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return expect(len(back), count, "records")
	})
	return nil
}

// transactions are those of one producer on a topic of two partitions.
func transactions(options Options) error {
	prefix := options["prefix"]
	topic := prefix + "transactions"
	first, second := partition{topic, 0}, partition{topic, 1}
	if err := create(options, topic, 2); err != nil {
		return err
	}
	client, err := options.transactional(prefix+"transactional-id", kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()

	write := func(value string, count int) func() error {
		return func() error {
			var records []*kgo.Record
			for i := range count {
				for number := range int32(2) {
					records = append(records, &kgo.Record{Topic: topic, Partition: number, Key: []byte(strconv.Itoa(i)), Value: []byte(value)})
				}
			}
			return client.ProduceSync(background, records...).FirstErr()
		}
	}
	end := func(how kgo.TransactionEndTry) func() error {
		return func() error { return client.EndTransaction(background, how) }
	}
	shows := func(committed bool, of partition, expected ...string) func() error {
		return func() error {
			found, err := values(options, committed, of)
			if err != nil {
				return err
			}
			return expect(found, expected, "values")
		}
	}
	// The broker answers a commit before its markers are written, so committed readers see it a moment later.
	becomes := func(of partition, expected ...string) func() error {
		return func() error {
			return waitUntil(fmt.Sprint("committed values ", expected), func() bool { return shows(true, of, expected...)() == nil })
		}
	}
	counts := func(expected int) func() error {
		return func() error {
			records, err := readAll(options, true, first, second)
			if err != nil {
				return err
			}
			return expect(len(records), expected, "committed records")
		}
	}

	check("commit", func() error {
		return sequence(client.BeginTransaction, write("committed", 10), end(kgo.TryCommit), becomes(first, "committed"), becomes(second, "committed"), counts(20))
	})
	check("abort", func() error {
		return sequence(client.BeginTransaction, write("aborted", 10), end(kgo.TryAbort), counts(20), shows(true, first, "committed"))
	})
	check("empty", func() error {
		for range 3 {
			if err := sequence(client.BeginTransaction, end(kgo.TryCommit), client.BeginTransaction, end(kgo.TryAbort)); err != nil {
				return err
			}
		}
		return sequence(client.BeginTransaction, write("after", 1), end(kgo.TryCommit), becomes(first, "committed", "after"))
	})
	check("isolation", func() error {
		return sequence(
			shows(false, first, "committed", "aborted", "after"),
			client.BeginTransaction, write("open", 5),
			shows(false, first, "committed", "aborted", "after", "open"),
			shows(true, first, "committed", "after"),
			end(kgo.TryCommit),
			becomes(first, "committed", "after", "open"),
		)
	})
	check("send-offsets", func() error { return sendOffsets(options, prefix) })
	return nil
}

// sendOffsets moves five records in a committed and the rest in an aborted transaction of a group session.
func sendOffsets(options Options, prefix string) error {
	source, target, group := prefix+"session-in", prefix+"session-out", prefix+"session"
	if err := sequence(func() error { return create(options, source, 1) }, func() error { return create(options, target, 1) }); err != nil {
		return err
	}
	client, err := options.client()
	if err != nil {
		return err
	}
	defer client.Close()
	for i := range 9 {
		if err := client.ProduceSync(background, &kgo.Record{Topic: source, Value: []byte(strconv.Itoa(i))}).FirstErr(); err != nil {
			return err
		}
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(options["bootstrap"]), kgo.TransactionalID(prefix+"session"), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(source), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(kgo.RangeBalancer()), kgo.RequireStableFetchOffsets())
	if err != nil {
		return err
	}
	defer session.Close()
	move := func(count int, how kgo.TransactionEndTry) error {
		if err := session.Begin(); err != nil {
			return err
		}
		for moved := 0; moved < count; {
			ctx, cancel := context.WithTimeout(background, 20*time.Second)
			fetches := session.PollRecords(ctx, count-moved)
			cancel()
			if err := fetches.Err(); err != nil {
				return err
			}
			for _, record := range fetches.Records() {
				if err := session.ProduceSync(background, &kgo.Record{Topic: target, Value: record.Value}).FirstErr(); err != nil {
					return err
				}
				moved++
			}
		}
		committed, err := session.End(background, how)
		if err != nil {
			return err
		}
		return expect(committed, bool(how), "committed")
	}
	committedOffset := func() error {
		return waitUntil("committed offset 5", func() bool {
			found, err := kadm.NewClient(client).FetchOffsets(background, group)
			one, _ := found.Lookup(source, 0)
			return err == nil && one.At == 5
		})
	}
	return sequence(
		func() error { return move(5, kgo.TryCommit) }, committedOffset,
		func() error { return move(4, kgo.TryAbort) }, committedOffset,
		func() error {
			records, err := readAll(options, true, partition{target, 0})
			if err != nil {
				return err
			}
			return expect(len(records), 5, "committed outputs")
		},
	)
}
