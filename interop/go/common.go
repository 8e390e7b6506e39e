package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const wait = 30 * time.Second

var (
	background = context.Background()
	failures   int
)

// Options are the --name value pairs of the command line.
type Options map[string]string

func parse(arguments []string) Options {
	options := Options{}
	for i := 0; i+1 < len(arguments); i += 2 {
		options[strings.TrimPrefix(arguments[i], "--")] = arguments[i+1]
	}
	return options
}

func (o Options) number(name string, otherwise int) int {
	if value, err := strconv.Atoi(o[name]); err == nil {
		return value
	}
	return otherwise
}

func (o Options) client(more ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o["bootstrap"]), kgo.FetchMaxWait(100 * time.Millisecond)}, more...)...)
}

// transactional returns a producer whose id is initialized: an older one with this transactional id is fenced by now.
func (o Options) transactional(id string, more ...kgo.Opt) (*kgo.Client, error) {
	client, err := o.client(append([]kgo.Opt{kgo.TransactionalID(id), kgo.ProducerLinger(0)}, more...)...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(background, 2*wait)
	defer cancel()
	if _, _, err = client.ProducerID(ctx); err != nil {
		client.Close()
		return nil, err
	}
	return client, nil
}

type line = map[string]any

func emit(l line) {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

// check runs one check and prints its outcome; a failed one does not stop the others.
func check(name string, body func() error) {
	started := time.Now()
	err := body()
	ms := time.Since(started).Milliseconds()
	if err == nil {
		emit(line{"check": name, "ok": true, "ms": ms})
		return
	}
	failures++
	logf("%s: %v", name, err)
	emit(line{"check": name, "ok": false, "ms": ms, "detail": err.Error()})
}

func expect(actual, expected any, what string) error {
	if fmt.Sprint(actual) == fmt.Sprint(expected) {
		return nil
	}
	return fmt.Errorf("%s: expected %v, got %v", what, expected, actual)
}

func waitUntil(what string, holds func() bool) error {
	for deadline := time.Now().Add(wait); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("not in time: %s", what)
		}
	}
	return nil
}

func logf(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
}

func create(options Options, topic string, partitions int32) error {
	client, err := options.client()
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(background, partitions, 1, nil, topic)
	return err
}

type partition struct {
	topic  string
	number int32
}

// eachRecord reads the partitions from `from` (or their start) to the end that the isolation level shows. Markers are
// kept by the client and skipped here: behind an aborted transaction only they tell that the end was reached.
func eachRecord(options Options, committed bool, from map[partition]int64, partitions []partition, visit func(*kgo.Record) error) error {
	level := kgo.ReadUncommitted()
	if committed {
		level = kgo.ReadCommitted()
	}
	client, err := options.client(kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	if err != nil {
		return err
	}
	defer client.Close()
	ends, err := endOffsets(client, committed, partitions)
	if err != nil {
		return err
	}
	starts, err := kadm.NewClient(client).ListStartOffsets(background, topicsOf(partitions)...)
	if err != nil {
		return err
	}
	open := map[partition]int64{}
	consume := map[string]map[int32]kgo.Offset{}
	for _, one := range partitions {
		start, known := from[one]
		if !known {
			found, listed := starts.Lookup(one.topic, one.number)
			if !listed || found.Err != nil {
				return fmt.Errorf("no start offset of %v: %v", one, found.Err)
			}
			start = found.Offset
		}
		if start >= ends[one] {
			continue
		}
		open[one] = ends[one]
		if consume[one.topic] == nil {
			consume[one.topic] = map[int32]kgo.Offset{}
		}
		consume[one.topic][one.number] = kgo.NewOffset().At(start)
	}
	client.AddConsumePartitions(consume)
	for deadline := time.Now().Add(wait); len(open) > 0; {
		ctx, cancel := context.WithTimeout(background, time.Second)
		fetches := client.PollFetches(ctx)
		cancel()
		if time.Now().After(deadline) {
			return fmt.Errorf("the end was not reached in time: %v", open)
		}
		for _, failed := range fetches.Errors() {
			if !errors.Is(failed.Err, context.DeadlineExceeded) {
				return failed.Err
			}
		}
		var failed error
		fetches.EachRecord(func(record *kgo.Record) {
			deadline = time.Now().Add(wait)
			of := partition{record.Topic, record.Partition}
			if end, reading := open[of]; reading && record.Offset+1 >= end {
				delete(open, of)
			}
			if !record.Attrs.IsControl() && failed == nil {
				failed = visit(record)
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

func endOffsets(client *kgo.Client, committed bool, partitions []partition) (map[partition]int64, error) {
	list := kadm.NewClient(client).ListEndOffsets
	if committed {
		list = kadm.NewClient(client).ListCommittedOffsets
	}
	found, err := list(background, topicsOf(partitions)...)
	if err != nil {
		return nil, err
	}
	ends := map[partition]int64{}
	for _, one := range partitions {
		offset, known := found.Lookup(one.topic, one.number)
		if offset.Err != nil {
			return nil, offset.Err
		}
		if !known {
			return nil, fmt.Errorf("no end offset of %v yet", one)
		}
		ends[one] = offset.Offset
	}
	return ends, nil
}

func topicsOf(partitions []partition) []string {
	seen := map[string]bool{}
	var topics []string
	for _, one := range partitions {
		if !seen[one.topic] {
			seen[one.topic] = true
			topics = append(topics, one.topic)
		}
	}
	return topics
}

func readAll(options Options, committed bool, partitions ...partition) ([]*kgo.Record, error) {
	var records []*kgo.Record
	err := eachRecord(options, committed, nil, partitions, func(record *kgo.Record) error {
		records = append(records, record)
		return nil
	})
	return records, err
}

// values are the distinct values of a partition, in the order of their first appearance.
func values(options Options, committed bool, of partition) ([]string, error) {
	records, err := readAll(options, committed, of)
	var found []string
	seen := map[string]bool{}
	for _, record := range records {
		if value := string(record.Value); !seen[value] {
			seen[value] = true
			found = append(found, value)
		}
	}
	return found, err
}

// sequence runs steps until one fails.
func sequence(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
