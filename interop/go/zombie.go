package main

import (
	"bufio"
	"errors"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// hold opens a transaction, says so, waits for a line on stdin, then tries to go on and to commit.
func hold(options Options) error {
	client, err := options.transactional(options["transactional-id"], kgo.TransactionTimeout(time.Duration(options.number("timeout-ms", 60_000))*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	topic := options["topic"]
	if err := sequence(client.BeginTransaction, send(client, topic, "held")); err != nil {
		return err
	}
	emit(line{"open": true, "atMs": time.Now().UnixMilli()})
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return nil // nobody wants it to go on
	}
	fencedBy, err := goOn(client, topic)
	if err != nil {
		return err
	}
	emit(line{"fenced": fencedBy != "", "error": fencedBy})
	return nil
}

// once is one committed transaction.
func once(options Options) error {
	client, err := options.transactional(options["transactional-id"])
	if err != nil {
		return err
	}
	defer client.Close()
	if err := sequence(client.BeginTransaction, send(client, options["topic"], options["value"]), end(client, kgo.TryCommit)); err != nil {
		return err
	}
	emit(line{"committed": true})
	return nil
}

func zombie(options Options) error {
	topic, id := options["topic"], options["transactional-id"]
	check("fenced-in-process", func() error {
		old, err := options.transactional(id)
		if err != nil {
			return err
		}
		defer old.Close()
		if err := sequence(old.BeginTransaction, send(old, topic, "old")); err != nil {
			return err
		}
		young, err := options.transactional(id)
		if err != nil {
			return err
		}
		defer young.Close()
		fencedBy, err := goOn(old, topic)
		if err != nil {
			return err
		}
		if err := expect(fencedBy != "", true, "the old producer is fenced"); err != nil {
			return err
		}
		if err := sequence(young.BeginTransaction, send(young, topic, "young"), end(young, kgo.TryCommit)); err != nil {
			return err
		}
		return waitUntil("committed values are [young]", func() bool {
			found, err := values(options, true, partition{topic, 0})
			return err == nil && len(found) == 1 && found[0] == "young"
		})
	})
	return nil
}

func send(client *kgo.Client, topic, value string) func() error {
	return func() error {
		return client.ProduceSync(background, &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr()
	}
}

// goOn writes and commits; it returns the error by which the producer was fenced.
func goOn(client *kgo.Client, topic string) (string, error) {
	err := sequence(send(client, topic, "zombie"), end(client, kgo.TryCommit))
	for _, fenced := range []*kerr.Error{kerr.ProducerFenced, kerr.InvalidProducerEpoch} {
		if errors.Is(err, fenced) {
			return fenced.Message, nil
		}
	}
	return "", err
}
