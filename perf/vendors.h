/* What the benchmark's upstream says, in the words, the order and the spacing of the vendors it speaks for. */
#ifndef OMNIROUTE_PERF_VENDORS_H
#define OMNIROUTE_PERF_VENDORS_H

#include "loop.h"

typedef struct {
    const char *answer;  /* a whole one */
    const char *opening; /* of a stream, before its first text */
    /* One more text, which holds the instant, and is that number in its stream. Returns its bytes. */
    int (*delta)(char *out, size_t room, unsigned long long at_ns, long number);
    const char *usage; /* told only where it is asked for */
    const char *ending;
} Vendor;

static int openai_chat_delta(char *out, size_t room, unsigned long long at_ns, long number) {
    (void)number;
    return snprintf(out, room,
                    "data: {\"id\":\"chatcmpl-0123456789abcdefghijklmn\",\"object\":\"chat.completion.chunk\",\"created\":1700"
                    "000000,\"model\":\"m\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_0\",\"choices\":[{\"index"
                    "\":0,\"delta\":{\"content\":\" @%019llu\"},\"finish_reason\":null}]}\n\n",
                    at_ns);
}

static const Vendor OPENAI_CHAT = {
    .answer =
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"m\",\"choices\":[{\"inde"
        "x\":0,\"message\":{\"role\":\"assistant\",\"content\":\"It is sunny in Paris today, with light wind from the west and"
        " a high of twenty four degrees. It is sunny in Paris today, with light wind from the west and a high of twenty four d"
        "egrees. It is sunny in Paris today, with light wind from the west and a high of twenty four degrees. It is sunny in P"
        "aris today, with light wind from the west and a high of tw.\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_token"
        "s\":300,\"completion_tokens\":60,\"total_tokens\":360}}",
    .opening = "",
    .delta = openai_chat_delta,
    .usage =
        "data: {\"id\":\"chatcmpl-0123456789abcdefghijklmn\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"mod"
        "el\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":300,\"completion_tokens\":300,\"total_tokens\":600}}\n\n",
    .ending = "data: [DONE]\n\n",
};

static int anthropic_delta(char *out, size_t room, unsigned long long at_ns, long number) {
    /* Blanks at the end, of a length nobody can tell, hide how long the text is from who sees the cipher alone. */
    return snprintf(out, room,
                    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"tex"
                    "t_delta\",\"text\":\" @%019llu\"}%*s}\n\n",
                    at_ns, (int)(number * 7 % 16), "");
}

static const Vendor ANTHROPIC = {
    .answer =
        "{\"id\":\"msg_01XFDUDYJgAACzvnptvVoYEL\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-4-5\","
        "\"content\":[{\"type\":\"text\",\"text\":\"@1234567890123456789 It is sunny in Paris today, with light wind from the "
        "west and a high of twenty four degrees. It is sunny in Paris today, with light wind from the west and a high of twent"
        "y four degrees. It is sunny in Paris today, with light wind from the west and a high of twenty four degrees. I.\"}],"
        "\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":300,\"cache_creation_input_tokens\":0"
        ",\"cache_read_input_tokens\":0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":0},"
        "\"output_tokens\":60,\"service_tier\":\"standard\"}}",
    .opening =
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"id\":\"msg_01X"
        "FDUDYJgAACzvnptvVoYEL\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"stop_reason\":null,\"stop_sequen"
        "ce\":null,\"usage\":{\"input_tokens\":300,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_to"
        "kens\":1,\"service_tier\":\"standard\"}}}\n\n"
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
        "\"text\":\"\"}}\n\n"
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    .delta = anthropic_delta,
    .usage = "",
    .ending =
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":nul"
        "l},\"usage\":{\"output_tokens\":300}}\n\n"
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
};

static int gemini_delta(char *out, size_t room, unsigned long long at_ns, long number) {
    return snprintf(out, room,
                    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \" @%019llu\"}],\"role\": \"model\"},\"inde"
                    "x\": 0}],\"usageMetadata\": {\"promptTokenCount\": 300,\"candidatesTokenCount\": %ld,\"totalTokenCount\":"
                    " %ld,\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 300}]},\"modelVersion\": \"gemini-"
                    "2.5-flash\",\"responseId\": \"5V6vaLbgLrmpvdIPt7Xg8Ao\"}\r\n\r\n",
                    at_ns, number, 300 + number);
}

static const Vendor GEMINI = {
    .answer =
        "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"@1234567890123456789 It is sunny in Paris today, with light"
        " wind from the west and a high of twenty four degrees. It is sunny in Paris today, with light wind from the west and "
        "a high of twenty four degrees. It is sunny in Paris today, with light wind from the west and a high of twenty four de"
        "grees. It is sunny in Paris today, with light wind from the west an.\"}],\"role\": \"model\"},\"finishReason\": \"STO"
        "P\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 300,\"candidatesTokenCount\": 60,\"totalTokenCount\": 36"
        "0,\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 300}]},\"modelVersion\": \"gemini-2.5-flash\",\"r"
        "esponseId\": \"5V6vaLbgLrmpvdIPt7Xg8Ao\"}\n",
    .opening = "",
    .delta = gemini_delta,
    .usage = "",
    .ending =
        "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": \"model\"},\"finishReason\": \"STOP\","
        "\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 300,\"candidatesTokenCount\": 300,\"totalTokenCount\": 600,"
        "\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 300}]},\"modelVersion\": \"gemini-2.5-flash\",\"res"
        "ponseId\": \"5V6vaLbgLrmpvdIPt7Xg8Ao\"}\r\n\r\n",
};

/* The first line of a request is looked at, no more. */
static inline int path_has(const char *in, size_t head, const char *word) {
    const char *end = memchr(in, '\r', head), *found = strstr(in, word);
    return end && found && found < end;
}

static inline const Vendor *vendor_of(const char *in, size_t head) {
    if (path_has(in, head, "/v1/messages")) return &ANTHROPIC;
    return path_has(in, head, "enerateContent") ? &GEMINI : &OPENAI_CHAT;
}

static inline int asks_for_stream(const char *in, size_t head) {
    const char *body = in + head;
    return path_has(in, head, ":streamGenerateContent") || strstr(body, "\"stream\":true") || strstr(body, "\"stream\": true");
}

#endif
