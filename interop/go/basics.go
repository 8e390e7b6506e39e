package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// basics is everything a client does that is not transactional.
func basics(options Options) error {
	prefix := options["prefix"]
	mainTopic := prefix + "main"
	client, err := options.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)

	check("metadata", func() error {
		cluster, err := admin.BrokerMetadata(background)
		if err != nil {
			return err
		}
		return sequence(
			func() error { return expect(len(cluster.Brokers), 1, "brokers") },
			func() error { return expect(cluster.Cluster != "", true, "a cluster id") },
		)
	})
	check("create-topic", func() error {
		if err := create(options, mainTopic, 3); err != nil {
			return err
		}
		topics, err := admin.ListTopics(background, mainTopic)
		if err != nil {
			return err
		}
		return expect(len(topics[mainTopic].Partitions), 3, "partitions")
	})
	check("delete-topic", func() error {
		gone := prefix + "gone"
		if err := create(options, gone, 1); err != nil {
			return err
		}
		deleted, err := admin.DeleteTopics(background, gone)
		if err != nil {
			return err
		}
		if err := deleted[gone].Err; err != nil {
			return err
		}
		return waitUntil("the topic is gone", func() bool {
			topics, err := admin.ListTopics(background)
			return err == nil && !topics.Has(gone)
		})
	})
	check("produce-consume", func() error {
		var records []*kgo.Record
		for i := range 300 {
			records = append(records, &kgo.Record{Topic: mainTopic, Partition: int32(i % 3), Key: fmt.Appendf(nil, "key-%d", i), Value: fmt.Appendf(nil, "value-%d", i)})
		}
		if err := client.ProduceSync(background, records...).FirstErr(); err != nil {
			return err
		}
		back, err := readAll(options, false, partition{mainTopic, 0}, partition{mainTopic, 1}, partition{mainTopic, 2})
		if err != nil {
			return err
		}
		distinct := map[string]bool{}
		for _, record := range back {
			distinct[string(record.Value)] = true
		}
		return sequence(
			func() error { return expect(len(back), 300, "records") },
			func() error { return expect(len(distinct), 300, "distinct values") },
		)
	})
	for name, codec := range map[string]kgo.CompressionCodec{
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		check(name, func() error { return compression(options, prefix+name, codec) })
	}
	send := func(topic string, record *kgo.Record) error {
		if err := create(options, topic, 1); err != nil {
			return err
		}
		record.Topic = topic
		return client.ProduceSync(background, record).FirstErr()
	}
	check("headers", func() error {
		topic := prefix + "headers"
		given := []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "é", Value: nil}, {Key: "a", Value: []byte{}}}
		if err := send(topic, &kgo.Record{Key: []byte("key"), Value: []byte("value"), Headers: given}); err != nil {
			return err
		}
		back, err := readAll(options, false, partition{topic, 0})
		if err != nil {
			return err
		}
		headers := back[0].Headers
		return sequence(
			func() error { return expect(len(headers), 3, "headers") },
			func() error { return expect(headers[0].Key+string(headers[0].Value), "a1", "first header") },
			func() error {
				return expect(headers[1].Key == "é" && headers[1].Value == nil, true, "a null header value")
			},
			func() error {
				return expect(headers[2].Value != nil && len(headers[2].Value) == 0, true, "an empty header value")
			},
		)
	})
	check("null-key-value", func() error {
		topic := prefix + "nulls"
		if err := create(options, topic, 1); err != nil {
			return err
		}
		pairs := [][2][]byte{{nil, []byte("value")}, {[]byte("key"), nil}, {nil, nil}, {{}, {}}}
		for _, pair := range pairs {
			if err := client.ProduceSync(background, &kgo.Record{Topic: topic, Key: pair[0], Value: pair[1]}).FirstErr(); err != nil {
				return err
			}
		}
		back, err := readAll(options, false, partition{topic, 0})
		if err != nil {
			return err
		}
		for i, record := range back {
			same := bytes.Equal(record.Key, pairs[i][0]) && (record.Key == nil) == (pairs[i][0] == nil) &&
				bytes.Equal(record.Value, pairs[i][1]) && (record.Value == nil) == (pairs[i][1] == nil)
			if err := expect(same, true, "record "+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return expect(len(back), 4, "records")
	})
	check("big-record", func() error {
		value := make([]byte, 990_000)
		for i := range value {
			value[i] = byte(i * 31)
		}
		if err := send(prefix+"big", &kgo.Record{Value: value}); err != nil {
			return err
		}
		back, err := readAll(options, false, partition{prefix + "big", 0})
		if err != nil {
			return err
		}
		return expect(bytes.Equal(back[0].Value, value), true, "the same bytes")
	})
	check("offsets", func() error {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: mainTopic, Partition: 0, At: 42, LeaderEpoch: -1, Metadata: "note"})
		// kadm names topics, OffsetCommit from version 10 on wants their ids.
		versions := kversion.Stable()
		versions.SetMaxKeyVersion(int16(kmsg.OffsetCommit), 9)
		older, err := options.client(kgo.MaxVersions(versions))
		if err != nil {
			return err
		}
		defer older.Close()
		if err := kadm.NewClient(older).CommitAllOffsets(background, prefix+"offsets", offsets); err != nil {
			return err
		}
		found, err := admin.FetchOffsets(background, prefix+"offsets")
		if err != nil {
			return err
		}
		one, _ := found.Lookup(mainTopic, 0)
		return expect(fmt.Sprint(one.At, one.Metadata), fmt.Sprint(42, "note"), "committed offset and its note")
	})
	check("group-rebalance", func() error { return groupRebalance(options, admin, prefix) })
	check("static-member", func() error { return staticMember(options, admin, prefix) })
	check("list-groups", func() error {
		groups, err := admin.ListGroups(background)
		if err != nil {
			return err
		}
		_, first := groups[prefix+"offsets"]
		_, second := groups[prefix+"rebalance"]
		return expect(first && second, true, "both groups are listed")
	})
	check("describe-group", func() error {
		groups, err := admin.DescribeGroups(background, prefix+"rebalance")
		if err != nil {
			return err
		}
		group := groups[prefix+"rebalance"]
		return expect(fmt.Sprint(group.State, len(group.Members)), fmt.Sprint("Empty", 0), "state and members")
	})
	check("delete-group", func() error {
		if _, err := admin.DeleteGroup(background, prefix+"offsets"); err != nil {
			return err
		}
		groups, err := admin.ListGroups(background)
		if err != nil {
			return err
		}
		_, there := groups[prefix+"offsets"]
		return expect(there, false, "the group is listed")
	})
	check("configs", func() error {
		value := "123456789"
		altered, err := admin.AlterTopicConfigs(background, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, mainTopic)
		if err != nil {
			return err
		}
		if altered[0].Err != nil {
			return altered[0].Err
		}
		if err := waitUntil("the new value is shown", func() bool {
			described, err := admin.DescribeTopicConfigs(background, mainTopic)
			return err == nil && config(described, "retention.ms") == value
		}); err != nil {
			return err
		}
		brokers, err := admin.ListBrokers(background)
		if err != nil {
			return err
		}
		described, err := admin.DescribeBrokerConfigs(background, brokers[0].NodeID)
		if err != nil {
			return err
		}
		return expect(config(described, "transaction.max.timeout.ms"), "900000", "a broker setting")
	})
	check("list-offsets", func() error {
		start, err := admin.ListStartOffsets(background, mainTopic)
		if err != nil {
			return err
		}
		end, err := admin.ListEndOffsets(background, mainTopic)
		if err != nil {
			return err
		}
		first, _ := start.Lookup(mainTopic, 0)
		last, _ := end.Lookup(mainTopic, 0)
		return expect(fmt.Sprint(first.Offset, last.Offset), "0 100", "first and last offset")
	})
	check("offsets-for-time", func() error {
		topic := prefix + "time"
		if err := create(options, topic, 1); err != nil {
			return err
		}
		start := time.Now().Add(-100 * time.Second).Truncate(time.Millisecond)
		for i := range 50 {
			record := &kgo.Record{Topic: topic, Timestamp: start.Add(time.Duration(i) * time.Second), Value: []byte("value")}
			if err := client.ProduceSync(background, record).FirstErr(); err != nil {
				return err
			}
		}
		after, err := admin.ListOffsetsAfterMilli(background, start.UnixMilli()+20_500, topic)
		if err != nil {
			return err
		}
		greatest, err := admin.ListMaxTimestampOffsets(background, topic)
		if err != nil {
			return err
		}
		one, _ := after.Lookup(topic, 0)
		other, _ := greatest.Lookup(topic, 0)
		return expect(fmt.Sprint(one.Offset, other.Offset), "21 49", "first offset at or after, and offset of the greatest timestamp")
	})
	check("delete-records", func() error {
		offsets := kadm.Offsets{}
		offsets.Add(kadm.Offset{Topic: mainTopic, Partition: 0, At: 40})
		deleted, err := admin.DeleteRecords(background, offsets)
		if err != nil {
			return err
		}
		one, _ := deleted.Lookup(mainTopic, 0)
		if one.Err != nil {
			return one.Err
		}
		back, err := readAll(options, false, partition{mainTopic, 0})
		if err != nil {
			return err
		}
		return expect(fmt.Sprint(one.LowWatermark, back[0].Offset, len(back)), "40 40 60", "low watermark, first offset and count of what is left")
	})
	return nil
}

func config(resources kadm.ResourceConfigs, name string) string {
	for _, resource := range resources {
		for _, one := range resource.Configs {
			if one.Key == name && one.Value != nil {
				return *one.Value
			}
		}
	}
	return ""
}

func compression(options Options, topic string, codec kgo.CompressionCodec) error {
	if err := create(options, topic, 1); err != nil {
		return err
	}
	client, err := options.client(kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	words := strings.Repeat("the same words again and again ", 20)
	var records []*kgo.Record
	for i := range 200 {
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(strconv.Itoa(i) + words)})
	}
	if err := client.ProduceSync(background, records...).FirstErr(); err != nil {
		return err
	}
	back, err := readAll(options, false, partition{topic, 0})
	if err != nil {
		return err
	}
	for i, record := range back {
		if err := expect(string(record.Value), strconv.Itoa(i)+words, "record "+strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return expect(len(back), 200, "records")
}

// member is one consumer of a group that knows what is assigned to it.
type member struct {
	client   *kgo.Client
	mutex    sync.Mutex
	assigned map[string]bool
}

func join(options Options, group, topic string, more ...kgo.Opt) (*member, error) {
	one := &member{assigned: map[string]bool{}}
	change := func(there bool) func(map[string][]int32) {
		return func(partitions map[string][]int32) {
			one.mutex.Lock()
			defer one.mutex.Unlock()
			for _, numbers := range partitions {
				for _, number := range numbers {
					if there {
						one.assigned[strconv.Itoa(int(number))] = true
					} else {
						delete(one.assigned, strconv.Itoa(int(number)))
					}
				}
			}
		}
	}
	assigned, revoked := change(true), change(false)
	client, err := options.client(append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.RangeBalancer()), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(300 * time.Millisecond), kgo.SessionTimeout(10 * time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { assigned(partitions) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { revoked(partitions) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { revoked(partitions) }),
	}, more...)...)
	one.client = client
	return one, err
}

func (m *member) count() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.assigned)
}

func groupRebalance(options Options, admin *kadm.Client, prefix string) error {
	topic, group := prefix+"rebalance", prefix+"rebalance"
	if err := create(options, topic, 6); err != nil {
		return err
	}
	var members []*member
	for range 3 {
		one, err := join(options, group, topic)
		if err != nil {
			return err
		}
		defer one.client.Close()
		members = append(members, one)
	}
	shared := func(of []*member, each int) error {
		return waitUntil(fmt.Sprintf("%d partitions for each of %d", each, len(of)), func() bool {
			for _, one := range of {
				if one.count() != each {
					return false
				}
			}
			return true
		})
	}
	if err := shared(members, 2); err != nil {
		return err
	}
	described, err := admin.DescribeGroups(background, group)
	if err != nil {
		return err
	}
	if err := expect(len(described[group].Members), 3, "members described"); err != nil {
		return err
	}
	members[0].client.Close()
	return shared(members[1:], 3)
}

func staticMember(options Options, admin *kadm.Client, prefix string) error {
	topic, group := prefix+"static", prefix+"static"
	if err := create(options, topic, 2); err != nil {
		return err
	}
	var generations []int32
	var ids []string
	for range 2 {
		one, err := join(options, group, topic, kgo.InstanceID("one"))
		if err != nil {
			return err
		}
		if err := waitUntil("an assignment", func() bool { return one.count() == 2 }); err != nil {
			return err
		}
		id, generation := one.client.GroupMetadata()
		generations, ids = append(generations, generation), append(ids, id)
		one.client.Close()
	}
	return sequence(
		func() error {
			return expect(generations[1], generations[0], "generation after the restart of a static member")
		},
		func() error { return expect(ids[0] != ids[1], true, "a new member id") },
	)
}
