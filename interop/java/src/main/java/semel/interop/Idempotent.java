package semel.interop;

import java.util.List;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** Many small batches, five requests in flight: every record once, in order. */
final class Idempotent {
    static void run(Options options) {
        int count = options.number("count", 20_000);
        String topic = options.text("prefix") + "idempotent";
        Output.check("in-order", () -> {
            try (Admin admin = Admin.create(options.properties())) {
                Basics.create(admin, topic, 1);
            }
            try (var producer = Clients.producer(options, "enable.idempotence", true, "acks", "all",
                    "max.in.flight.requests.per.connection", 5, "batch.size", 1_000, "linger.ms", 0)) {
                for (int i = 0; i < count; i++) producer.send(new ProducerRecord<>(topic, 0, null, String.valueOf(i)));
            }
            List<String> values = Clients.readAll(options, "read_uncommitted", new TopicPartition(topic, 0)).stream().map(record -> record.value()).toList();
            Output.expect(values.size(), count, "records");
            for (int i = 0; i < count; i++) Output.expect(values.get(i), i, "record " + i);
        });
    }

    private Idempotent() {}
}
