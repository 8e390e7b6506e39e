package main

import (
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// The last Produce version that does not add partitions to the transaction by itself.
const produceVersion = 11

// hang leaves transactional records that no coordinator knows of: what a late request of a first-version transaction
// could do before brokers verified it. The broker must not verify (transaction.partition.verification.enable=false).
func hang(options Options) error {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(int16(kmsg.Produce), produceVersion)
	client, err := options.client(kgo.MaxVersions(versions), kgo.TransactionalID(options["transactional-id"]))
	if err != nil {
		return err
	}
	defer client.Close()
	producerID, producerEpoch, err := client.ProducerID(background)
	if err != nil {
		return err
	}
	brokers, err := kadm.NewClient(client).ListBrokers(background)
	if err != nil {
		return err
	}
	request := kmsg.NewPtrProduceRequest()
	request.TransactionID = kmsg.StringPtr(options["transactional-id"])
	request.Acks = -1
	request.TimeoutMillis = 30_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = options["topic"]
	part := kmsg.NewProduceRequestTopicPartition()
	// An hour old: find-hanging looks for what is older than any transaction may be.
	part.Records = batch(producerID, producerEpoch, time.Now().Add(-time.Hour).UnixMilli(), []byte("hung"))
	topic.Partitions = append(topic.Partitions, part)
	request.Topics = append(request.Topics, topic)
	answer, err := client.Broker(int(brokers[0].NodeID)).Request(background, request)
	if err != nil {
		return err
	}
	result := answer.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
		return err
	}
	emit(line{"hung": true, "offset": result.BaseOffset, "producerId": producerID, "producerEpoch": producerEpoch})
	return nil
}

// batch is one transactional batch of one record.
func batch(producerID int64, producerEpoch int16, timestampMs int64, value []byte) []byte {
	record := kmsg.Record{Value: value}
	// The length counts what follows it; as zero it takes one byte.
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	header := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: 1 << 4, FirstTimestamp: timestampMs, MaxTimestamp: timestampMs,
		ProducerID: producerID, ProducerEpoch: producerEpoch, NumRecords: 1, Records: record.AppendTo(nil),
	}
	const afterLength, afterCRC = 12, 21
	header.Length = int32(len(header.AppendTo(nil)) - afterLength)
	header.CRC = int32(crc32.Checksum(header.AppendTo(nil)[afterCRC:], crc32.MakeTable(crc32.Castagnoli)))
	return header.AppendTo(nil)
}
