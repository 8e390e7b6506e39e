package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const tail = 4_000

type invoice struct {
	Index      int         `json:"index"`
	AbortFirst bool        `json:"abortFirst"`
	Records    [][3]string `json:"records"`
}

// load writes one transaction per invoice. The audit trail (one partition, one record per invoice, in order) tells after
// any accident which invoice comes next: the last committed audit record plus one.
func load(options Options) error {
	file, err := os.Open(options["input"])
	if err != nil {
		return err
	}
	defer file.Close()
	input := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	prefix := options["prefix"]
	restarts := 0
	var client *kgo.Client
	current, err := next(input)
	for current != nil && err == nil {
		if client == nil {
			var due int
			client, err = options.transactional(options["transactional-id"])
			if err == nil {
				due, err = nextInvoice(options, prefix)
			}
			if err != nil {
				logf("no producer yet: %v", err)
				if client != nil {
					client.Close()
					client = nil
				}
				err = nil
				restarts++
				time.Sleep(200 * time.Millisecond)
				continue
			}
			if due < current.Index {
				return fmt.Errorf("%d invoices were committed, %d are there", current.Index, due)
			}
			for current != nil && err == nil && current.Index < due {
				current, err = next(input)
			}
			continue
		}
		problem := transact(client, prefix, current)
		if problem == nil {
			if (current.Index+1)%10 == 0 {
				emit(line{"progress": current.Index + 1})
			}
			current, err = next(input)
			continue
		}
		// The outcome of a commit may be unknown: a new producer with the same id ends the old transaction, and the
		// audit trail tells what it was.
		logf("new producer after %v", problem)
		restarts++
		client.Close()
		client = nil
	}
	if err != nil {
		return err
	}
	if client != nil {
		client.Close()
	}
	emit(line{"done": true, "restarts": restarts, "redone": 0})
	return nil
}

func next(input *json.Decoder) (*invoice, error) {
	var one invoice
	if err := input.Decode(&one); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return &one, nil
}

func transact(client *kgo.Client, prefix string, of *invoice) error {
	if of.AbortFirst {
		if err := sequence(client.BeginTransaction, write(client, prefix, of, "abort"), end(client, kgo.TryAbort)); err != nil {
			return err
		}
	}
	return sequence(client.BeginTransaction, write(client, prefix, of, "commit"), end(client, kgo.TryCommit))
}

func write(client *kgo.Client, prefix string, of *invoice, fate string) func() error {
	return func() error {
		records := make([]*kgo.Record, 0, len(of.Records))
		for _, record := range of.Records {
			records = append(records, &kgo.Record{
				Topic: prefix + record[0], Key: []byte(record[1]), Value: []byte(record[2]),
				Headers: []kgo.RecordHeader{{Key: "fate", Value: []byte(fate)}},
			})
		}
		ctx, cancel := context.WithTimeout(background, 2*wait)
		defer cancel()
		return client.ProduceSync(ctx, records...).FirstErr()
	}
}

func end(client *kgo.Client, how kgo.TransactionEndTry) func() error {
	return func() error { return client.EndTransaction(background, how) }
}

func nextInvoice(options Options, prefix string) (int, error) {
	audit := partition{prefix + "audit", 0}
	client, err := options.client()
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ends, err := endOffsets(client, true, []partition{audit})
	if err != nil {
		return 0, err
	}
	for back := int64(tail); ; back *= 4 {
		due := 0
		from := map[partition]int64{audit: max(0, ends[audit]-back)}
		err := eachRecord(options, true, from, []partition{audit}, func(record *kgo.Record) error {
			var entry invoice
			if err := json.Unmarshal(record.Value, &entry); err != nil {
				return err
			}
			due = entry.Index + 1
			return nil
		})
		if err != nil || due > 0 || ends[audit] <= back {
			return due, err
		}
	}
}

// read writes every record of the topics as one JSON line.
func read(options Options) error {
	topics := strings.Split(options["topics"], ",")
	client, err := options.client()
	if err != nil {
		return err
	}
	known, err := kadm.NewClient(client).ListTopics(background, topics...)
	client.Close()
	if err != nil {
		return err
	}
	var partitions []partition
	for _, topic := range topics {
		for number := range known[topic].Partitions {
			partitions = append(partitions, partition{topic, number})
		}
	}
	file, err := os.Create(options["out"])
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	records := 0
	err = eachRecord(options, options["isolation"] == "read_committed", nil, partitions, func(record *kgo.Record) error {
		records++
		var fate any
		for _, header := range record.Headers {
			if header.Key == "fate" {
				fate = string(header.Value)
			}
		}
		return encoder.Encode(line{"t": record.Topic, "p": record.Partition, "o": record.Offset, "k": string(record.Key), "v": string(record.Value), "f": fate})
	})
	if err == nil {
		err = out.Flush()
	}
	emit(line{"records": records})
	return err
}
