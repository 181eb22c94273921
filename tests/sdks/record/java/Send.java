// Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Java SDK, so that its payloads can be recorded.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.ToNumberPolicy;
import com.rudderstack.sdk.java.analytics.Callback;
import com.rudderstack.sdk.java.analytics.RudderAnalytics;
import com.rudderstack.sdk.java.analytics.messages.*;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

public class Send {
    record Line(String call, Map<String, Object> args) {
        String text(String name) {
            return (String) args.get(name);
        }

        @SuppressWarnings("unchecked")
        Map<String, ?> map(String name) {
            return (Map<String, ?>) args.getOrDefault(name, Map.of());
        }

        MessageBuilder<?, ?> message() {
            return switch (call) {
                case "identify" -> IdentifyMessage.builder().traits(map("traits"));
                case "group" -> GroupMessage.builder(text("groupId")).traits(map("traits"));
                case "track" -> TrackMessage.builder(text("event")).properties(map("properties"));
                case "page" -> PageMessage.builder(text("name")).properties(map("properties"));
                case "screen" -> ScreenMessage.builder(text("name")).properties(map("properties"));
                case "alias" -> AliasMessage.builder(text("previousId"));
                default -> throw new IllegalArgumentException("no such call: " + call);
            };
        }
    }

    public static void main(String[] args) throws Exception {
        Gson gson = new GsonBuilder().setObjectToNumberStrategy(ToNumberPolicy.LAZILY_PARSED_NUMBER).create();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<Line> lines = in.lines().map(line -> gson.fromJson(line, Line.class)).toList();

        var answered = new CountDownLatch(lines.size());
        var client = RudderAnalytics.builder(System.getenv("WEIR_KEY"))
                .setDataPlaneUrl(System.getenv("WEIR_URL"))
                .callback(new Callback() {
                    public void success(Message message) {
                        answered.countDown();
                    }

                    public void failure(Message message, Throwable cause) {
                        System.err.println(cause);
                        System.exit(1);
                    }
                })
                .build();
        for (Line line : lines) {
            MessageBuilder<?, ?> message = line.message();
            if (line.text("userId") != null) message.userId(line.text("userId"));
            if (line.text("anonymousId") != null) message.anonymousId(line.text("anonymousId"));
            message.messageId(line.text("messageId"));
            message.timestamp(Date.from(Instant.parse(line.text("timestamp"))));
            message.context(line.map("context"));
            client.enqueue(message);
        }
        client.flush();
        boolean confirmed = answered.await(30, TimeUnit.SECONDS);
        client.shutdown();
        System.exit(confirmed ? 0 : 1);
    }
}
