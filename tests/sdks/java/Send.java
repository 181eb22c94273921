// Sends a scenario (JSON lines on stdin) through the unmodified RudderStack Java SDK and tells, as one JSON line, what the
// SDK itself confirmed. Exits 1 on any SDK error.

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.ToNumberPolicy;
import com.rudderstack.sdk.java.analytics.Callback;
import com.rudderstack.sdk.java.analytics.RudderAnalytics;
import com.rudderstack.sdk.java.analytics.messages.*;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

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
        var ok = new AtomicInteger();
        var errors = new ConcurrentLinkedQueue<String>();
        var builder = RudderAnalytics.builder(System.getenv("WEIR_KEY"))
                .setDataPlaneUrl(System.getenv("WEIR_URL"))
                .callback(new Callback() {
                    public void success(Message message) {
                        ok.incrementAndGet();
                        answered.countDown();
                    }

                    public void failure(Message message, Throwable cause) {
                        errors.add(String.valueOf(cause));
                        answered.countDown();
                    }
                });
        String retries = System.getenv("WEIR_RETRIES");
        if (retries != null) builder.retries(Integer.parseInt(retries));
        var client = builder.build();
        for (Line line : lines) {
            MessageBuilder<?, ?> message = line.message();
            if (line.text("userId") != null) message.userId(line.text("userId"));
            if (line.text("anonymousId") != null) message.anonymousId(line.text("anonymousId"));
            if (line.text("messageId") != null) message.messageId(line.text("messageId"));
            if (line.text("timestamp") != null) message.timestamp(Date.from(Instant.parse(line.text("timestamp"))));
            message.context(line.map("context"));
            client.enqueue(message);
        }
        client.flush();
        answered.await();
        client.shutdown();
        // Its version is in the name of its archive.
        String archive = new File(RudderAnalytics.class.getProtectionDomain().getCodeSource().getLocation().toURI()).getName();
        String version = archive.replaceAll("^analytics-|\\.jar$", "");
        System.out.println(gson.toJson(
                Map.of("sdk", "java " + version, "calls", lines.size(), "ok", ok.get(), "errors", errors)));
        System.exit(!lines.isEmpty() && ok.get() == lines.size() ? 0 : 1);
    }
}
