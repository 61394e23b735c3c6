"""One small request for each thing a client can ask for, in its dialect's words: what docs/translation.md is made from.

A probe is its name in the page and what is merged into its dialect's smallest request: objects member by member, anything
else in place of what was there.
"""

from __future__ import annotations

from typing import Final

import msgspec

Probe = tuple[str, str]

PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF: Final = "JVBERi0xLjQK"
WAV: Final = "UklGRiQAAABXQVZFZm10IBAAAAA="
SCHEMA: Final = '{"type":"object","properties":{"a":{"type":"string"}}}'

BASES: Final = {
    "openai_chat": '{"model":"m","messages":[{"role":"user","content":"x"}]}',
    "openai_responses": '{"model":"m","input":[{"type":"message","role":"user","content":"x"}]}',
    "anthropic": '{"model":"m","max_tokens":2048,"messages":[{"role":"user","content":"x"}]}',
    "gemini": '{"contents":[{"role":"user","parts":[{"text":"x"}]}]}',
    "ollama": '{"model":"m","messages":[{"role":"user","content":"x"}],"stream":false}',
}


def _chat(content: str, *, role: str = "user") -> str:
    return f'{{"messages":[{{"role":"{role}","content":{content}}},{{"role":"user","content":"y"}}]}}'


_CHAT_TOOL: Final = f'"tools":[{{"type":"function","function":{{"name":"f","description":"F","parameters":{SCHEMA}}}}}]'
_CHAT_CALL: Final = (
    '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":null,%s"tool_calls":[{"id":"c1","type":"function",'
    '"function":{"name":"f","arguments":"{\\"a\\":1}"}}]},{"role":"tool","tool_call_id":"c1","content":%s}],'
    + _CHAT_TOOL
    + "}"
)
CHAT: Final[tuple[Probe, ...]] = (
    ("`stream`", '{"stream":true}'),
    ("`messages[]` system", _chat('"S"', role="system")),
    ("`messages[]` developer", _chat('"S"', role="developer")),
    (
        "`messages[]` system, later",
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"a"},{"role":"system","content":"S"},{"role":"user","content":"y"}]}',
    ),
    ("`messages[].name`", '{"messages":[{"role":"user","name":"n","content":"x"}]}'),
    ("picture, data", _chat(f'[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{PNG}"}}}}]')),
    ("picture, URL", _chat('[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]')),
    (
        "picture, `detail`",
        _chat(f'[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{PNG}","detail":"low"}}}}]'),
    ),
    ("`input_audio`", _chat(f'[{{"type":"input_audio","input_audio":{{"data":"{WAV}","format":"wav"}}}}]')),
    (
        "`file`, PDF",
        _chat(f'[{{"type":"file","file":{{"filename":"a.pdf","file_data":"data:application/pdf;base64,{PDF}"}}}}]'),
    ),
    ("`file`, `file_id`", _chat('[{"type":"file","file":{"file_id":"file-1"}}]')),
    ("`cache_control` on a part", _chat('[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]')),
    ("`tools`", "{" + _CHAT_TOOL + "}"),
    (
        "`tools[].function.strict`",
        f'{{"tools":[{{"type":"function","function":{{"name":"f","strict":true,"parameters":{SCHEMA}}}}}]}}',
    ),
    ("`tools[]` custom", '{"tools":[{"type":"custom","custom":{"name":"f","description":"F"}}]}'),
    ("`functions`", f'{{"functions":[{{"name":"f","parameters":{SCHEMA}}}]}}'),
    ("`tool_choice` required", "{" + _CHAT_TOOL + ',"tool_choice":"required"}'),
    ("`tool_choice` none", "{" + _CHAT_TOOL + ',"tool_choice":"none"}'),
    ("`tool_choice` named", "{" + _CHAT_TOOL + ',"tool_choice":{"type":"function","function":{"name":"f"}}}'),
    ("`parallel_tool_calls`", "{" + _CHAT_TOOL + ',"parallel_tool_calls":false}'),
    ("tool call and result", _CHAT_CALL % ("", '"r"')),
    ("tool call whose arguments are no JSON", (_CHAT_CALL % ("", '"r"')).replace('"{\\"a\\":1}"', '"{oops"')),
    ("`reasoning_content` of a turn with a call", _CHAT_CALL % ('"reasoning_content":"hm",', '"r"')),
    (
        "`reasoning_details` of Anthropic",
        _CHAT_CALL
        % (
            '"reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"SIG","format":"anthropic-claude-v1","index":0}],',
            '"r"',
        ),
    ),
    (
        "`extra_content` of Gemini",
        (_CHAT_CALL % ("", '"r"')).replace(
            '"type":"function","function":{"name":"f","arg',
            '"type":"function","extra_content":{"google":{"thought_signature":"U0lH"}},"function":{"name":"f","arg',
        ),
    ),
    ("`max_completion_tokens`", '{"max_completion_tokens":99}'),
    ("`temperature`", '{"temperature":0.5}'),
    ("`temperature` above 1", '{"temperature":1.5}'),
    ("`top_p`", '{"top_p":0.5}'),
    ("`top_k`", '{"top_k":5}'),
    ("`seed`", '{"seed":7}'),
    ("`stop`", '{"stop":["END"]}'),
    ("`n`", '{"n":2}'),
    ("`presence_penalty`", '{"presence_penalty":0.5}'),
    ("`frequency_penalty`", '{"frequency_penalty":0.5}'),
    ("`logit_bias`", '{"logit_bias":{"1":2}}'),
    ("`logprobs`", '{"logprobs":true,"top_logprobs":2}'),
    ("`response_format` json_object", '{"response_format":{"type":"json_object"}}'),
    (
        "`response_format` json_schema",
        f'{{"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{SCHEMA}}}}}}}',
    ),
    ("`reasoning_effort`", '{"reasoning_effort":"high"}'),
    ("`verbosity`", '{"verbosity":"low"}'),
    ("`modalities` audio", '{"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}}'),
    ("`prediction`", '{"prediction":{"type":"content","content":"x"}}'),
    ("`web_search_options`", '{"web_search_options":{}}'),
    ("`user`", '{"user":"u"}'),
    ("`metadata`", '{"metadata":{"a":"b"}}'),
    ("`service_tier`", '{"service_tier":"flex"}'),
    ("`store`", '{"store":true}'),
    ("`prompt_cache_key`", '{"prompt_cache_key":"k"}'),
    ("a member nobody knows", '{"x_unknown":1}'),
)


def _responses(item: str) -> str:
    return f'{{"input":[{item},{{"type":"message","role":"user","content":"y"}}]}}'


def _part(part: str) -> str:
    return _responses(f'{{"type":"message","role":"user","content":[{part}]}}')


_RESPONSES_TOOL: Final = f'"tools":[{{"type":"function","name":"f","description":"F","parameters":{SCHEMA}}}]'
_RESPONSES_CALL: Final = (
    '{"type":"function_call","call_id":"c1","name":"f","arguments":"{\\"a\\":1}"},'
    '{"type":"function_call_output","call_id":"c1","output":%s}'
)
RESPONSES: Final[tuple[Probe, ...]] = (
    ("`stream`", '{"stream":true}'),
    ("`instructions`", '{"instructions":"S"}'),
    ("`input[]` developer", _responses('{"type":"message","role":"developer","content":"S"}')),
    ("`input_image`, data", _part(f'{{"type":"input_image","image_url":"data:image/png;base64,{PNG}"}}')),
    ("`input_image`, URL", _part('{"type":"input_image","image_url":"https://example.com/a.png"}')),
    ("`input_image`, `file_id`", _part('{"type":"input_image","file_id":"file-1"}')),
    (
        "`input_file`, PDF",
        _part(f'{{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,{PDF}"}}'),
    ),
    ("`input_file`, URL", _part('{"type":"input_file","file_url":"https://example.com/a.pdf"}')),
    ("`tools`", "{" + _RESPONSES_TOOL + "}"),
    ("`tools[]` custom", '{"tools":[{"type":"custom","name":"f"}]}'),
    ("`tools[]` web_search", "{" + _RESPONSES_TOOL[:-1] + ',{"type":"web_search"}]}'),
    ("`tool_choice` required", "{" + _RESPONSES_TOOL + ',"tool_choice":"required"}'),
    ("`tool_choice` named", "{" + _RESPONSES_TOOL + ',"tool_choice":{"type":"function","name":"f"}}'),
    ("`parallel_tool_calls`", "{" + _RESPONSES_TOOL + ',"parallel_tool_calls":false}'),
    ("`max_tool_calls`", '{"max_tool_calls":3}'),
    ("`function_call` and output", _responses(_RESPONSES_CALL % '"r"')),
    (
        "output with a picture",
        _responses(_RESPONSES_CALL % f'[{{"type":"input_image","image_url":"data:image/png;base64,{PNG}"}}]'),
    ),
    (
        "`reasoning` with `encrypted_content`",
        _responses(
            '{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"ENC"},'
            + _RESPONSES_CALL % '"r"'
        ),
    ),
    ("`max_output_tokens`", '{"max_output_tokens":99}'),
    ("`temperature`", '{"temperature":0.5}'),
    ("`top_p`", '{"top_p":0.5}'),
    ("`top_logprobs`", '{"top_logprobs":2,"include":["message.output_text.logprobs"]}'),
    ("`text.format` json_object", '{"text":{"format":{"type":"json_object"}}}'),
    ("`text.format` json_schema", f'{{"text":{{"format":{{"type":"json_schema","name":"n","schema":{SCHEMA}}}}}}}'),
    ("`text.verbosity`", '{"text":{"verbosity":"low"}}'),
    ("`reasoning.effort`", '{"reasoning":{"effort":"high"}}'),
    ("`reasoning.summary`", '{"reasoning":{"effort":"high","summary":"auto"}}'),
    ("`truncation`", '{"truncation":"auto"}'),
    ("`user`", '{"user":"u"}'),
    ("`metadata`", '{"metadata":{"a":"b"}}'),
    ("`service_tier`", '{"service_tier":"flex"}'),
    ("`prompt_cache_key`", '{"prompt_cache_key":"k"}'),
    ("`background`", '{"background":true}'),
    ("`conversation`", '{"conversation":"conv_1"}'),
    ("`prompt`", '{"prompt":{"id":"pmpt_1"}}'),
)


def _blocks(*blocks: str) -> str:
    return f'{{"messages":[{{"role":"user","content":[{",".join(blocks)}]}}]}}'


_ANTHROPIC_TOOL: Final = f'"tools":[{{"name":"f","description":"F","input_schema":{SCHEMA}}}]'
_ANTHROPIC_CALL: Final = (
    '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[%s{"type":"tool_use","id":"toolu_1","name":"f",'
    '"input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1"%s}]}],'
    + _ANTHROPIC_TOOL
    + "}"
)
_IMAGE: Final = f'{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{PNG}"}}}}'
_BASE64_PDF: Final = f'"source":{{"type":"base64","media_type":"application/pdf","data":"{PDF}"}}'
ANTHROPIC: Final[tuple[Probe, ...]] = (
    ("`stream`", '{"stream":true}'),
    ("`system`", '{"system":"S"}'),
    ("`system[]` with `cache_control`", '{"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}}]}'),
    ("`image`, base64", _blocks(_IMAGE)),
    ("`image`, URL", _blocks('{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}')),
    ("`image`, file", _blocks('{"type":"image","source":{"type":"file","file_id":"file_1"}}')),
    ("`document`, PDF", _blocks(f'{{"type":"document",{_BASE64_PDF}}}')),
    ("`document`, URL", _blocks('{"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}}')),
    ("`document`, text", _blocks('{"type":"document","source":{"type":"text","media_type":"text/plain","data":"t"}}')),
    ("`document.title`, `context`", _blocks(f'{{"type":"document","title":"T","context":"C",{_BASE64_PDF}}}')),
    ("`document.citations`", _blocks(f'{{"type":"document","citations":{{"enabled":true}},{_BASE64_PDF}}}')),
    ("`tools`", "{" + _ANTHROPIC_TOOL + "}"),
    (
        "`tools[].cache_control`",
        f'{{"tools":[{{"name":"f","input_schema":{SCHEMA},"cache_control":{{"type":"ephemeral"}}}}]}}',
    ),
    ("`tools[]` web_search", "{" + _ANTHROPIC_TOOL[:-1] + ',{"type":"web_search_20250305","name":"web_search"}]}'),
    ("`tool_choice` any", "{" + _ANTHROPIC_TOOL + ',"tool_choice":{"type":"any"}}'),
    ("`tool_choice` tool", "{" + _ANTHROPIC_TOOL + ',"tool_choice":{"type":"tool","name":"f"}}'),
    ("`tool_choice` none", "{" + _ANTHROPIC_TOOL + ',"tool_choice":{"type":"none"}}'),
    (
        "`disable_parallel_tool_use`",
        "{" + _ANTHROPIC_TOOL + ',"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}',
    ),
    ("`tool_use` and `tool_result`", _ANTHROPIC_CALL % ("", ',"content":"r"')),
    ("`tool_result.is_error`", _ANTHROPIC_CALL % ("", ',"is_error":true,"content":"r"')),
    ("`tool_result` with a picture", _ANTHROPIC_CALL % ("", f',"content":[{_IMAGE}]')),
    (
        "`thinking` in the history",
        _ANTHROPIC_CALL % ('{"type":"thinking","thinking":"hm","signature":"SIG"},', ',"content":"r"'),
    ),
    (
        "`redacted_thinking` in the history",
        _ANTHROPIC_CALL % ('{"type":"redacted_thinking","data":"RED"},', ',"content":"r"'),
    ),
    (
        "server tools in the history",
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"server_tool_use","id":"srvtoolu_1","name":'
        '"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]},'
        '{"type":"text","text":"a"}]},{"role":"user","content":"y"}]}',
    ),
    ("`thinking` enabled", '{"thinking":{"type":"enabled","budget_tokens":1024}}'),
    ("`thinking` adaptive", '{"thinking":{"type":"adaptive"}}'),
    ("`thinking` disabled", '{"thinking":{"type":"disabled"}}'),
    ("`output_config.effort`", '{"output_config":{"effort":"high"}}'),
    ("`output_config.format`", f'{{"output_config":{{"format":{{"type":"json_schema","schema":{SCHEMA}}}}}}}'),
    ("`temperature`", '{"temperature":0.5}'),
    ("`top_p`", '{"top_p":0.5}'),
    ("`top_k`", '{"top_k":5}'),
    ("`stop_sequences`", '{"stop_sequences":["END"]}'),
    ("`metadata.user_id`", '{"metadata":{"user_id":"u"}}'),
    ("`service_tier`", '{"service_tier":"standard_only"}'),
    ("`container`", '{"container":"c"}'),
    ("`mcp_servers`", '{"mcp_servers":[{"type":"url","url":"https://example.com","name":"n"}]}'),
    ("`context_management`", '{"context_management":{"edits":[]}}'),
)


def _parts(*parts: str) -> str:
    return f'{{"contents":[{{"role":"user","parts":[{",".join(parts)}]}}]}}'


def _config(member: str) -> str:
    return f'{{"generationConfig":{{{member}}}}}'


_GEMINI_TOOL: Final = (
    f'"tools":[{{"functionDeclarations":[{{"name":"f","description":"F","parametersJsonSchema":{SCHEMA}}}]}}]'
)
_GEMINI_CALL: Final = (
    '{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{%s"name":"f","args":{"a":1}}%s}]},'
    '{"role":"user","parts":[{"functionResponse":{%s"name":"f","response":{"output":"r"}}}]}],' + _GEMINI_TOOL + "}"
)
GEMINI: Final[tuple[Probe, ...]] = (
    ("`systemInstruction`", '{"systemInstruction":{"parts":[{"text":"S"}]}}'),
    ("`inlineData`, picture", _parts(f'{{"inlineData":{{"mimeType":"image/png","data":"{PNG}"}}}}')),
    ("`inlineData`, sound", _parts(f'{{"inlineData":{{"mimeType":"audio/wav","data":"{WAV}"}}}}')),
    ("`inlineData`, PDF", _parts(f'{{"inlineData":{{"mimeType":"application/pdf","data":"{PDF}"}}}}')),
    ("`inlineData`, video", _parts('{"inlineData":{"mimeType":"video/mp4","data":"AAAA"}}')),
    ("`fileData`, picture", _parts('{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}}')),
    ("`fileData`, video", _parts('{"fileData":{"mimeType":"video/mp4","fileUri":"https://example.com/a.mp4"}}')),
    ("`functionDeclarations`", "{" + _GEMINI_TOOL + "}"),
    ("`googleSearch`", "{" + _GEMINI_TOOL[:-1] + ',{"googleSearch":{}}]}'),
    ("`codeExecution`", "{" + _GEMINI_TOOL[:-1] + ',{"codeExecution":{}}]}'),
    ("`toolConfig` ANY", "{" + _GEMINI_TOOL + ',"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}'),
    ("`toolConfig` NONE", "{" + _GEMINI_TOOL + ',"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}}'),
    (
        "`allowedFunctionNames`, one",
        "{" + _GEMINI_TOOL + ',"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}}',
    ),
    ("`functionCall` and response", _GEMINI_CALL % ('"id":"c1",', "", '"id":"c1",')),
    ("the same without ids", _GEMINI_CALL % ("", "", "")),
    ("`thoughtSignature` of a call", _GEMINI_CALL % ("", ',"thoughtSignature":"U0lH"', "")),
    ("`maxOutputTokens`", _config('"maxOutputTokens":99')),
    ("`temperature`", _config('"temperature":0.5')),
    ("`topP`", _config('"topP":0.5')),
    ("`topK`", _config('"topK":5')),
    ("`candidateCount`", _config('"candidateCount":2')),
    ("`seed`", _config('"seed":7')),
    ("`presencePenalty`", _config('"presencePenalty":0.5')),
    ("`frequencyPenalty`", _config('"frequencyPenalty":0.5')),
    ("`stopSequences`", _config('"stopSequences":["END"]')),
    ("`responseMimeType` JSON", _config('"responseMimeType":"application/json"')),
    (
        "`responseSchema`",
        _config(
            '"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}'
        ),
    ),
    ("`responseJsonSchema`", _config(f'"responseMimeType":"application/json","responseJsonSchema":{SCHEMA}')),
    ("`responseLogprobs`", _config('"responseLogprobs":true,"logprobs":2')),
    ("`responseModalities` IMAGE", _config('"responseModalities":["TEXT","IMAGE"]')),
    ("`responseModalities` AUDIO", _config('"responseModalities":["AUDIO"]')),
    ("`thinkingConfig` budget", _config('"thinkingConfig":{"thinkingBudget":1024}')),
    ("`thinkingConfig` level", _config('"thinkingConfig":{"thinkingLevel":"HIGH","includeThoughts":true}')),
    ("`safetySettings`", '{"safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"OFF"}]}'),
    ("`cachedContent`", '{"cachedContent":"cachedContents/1"}'),
    ("`labels`", '{"labels":{"a":"b"}}'),
)


def _option(member: str) -> str:
    return f'{{"options":{{{member}}}}}'


_OLLAMA_TOOL: Final = (
    f'"tools":[{{"type":"function","function":{{"name":"f","description":"F","parameters":{SCHEMA}}}}}]'
)
OLLAMA: Final[tuple[Probe, ...]] = (
    ("`stream`", '{"stream":true}'),
    ("`messages[]` system", '{"messages":[{"role":"system","content":"S"},{"role":"user","content":"x"}]}'),
    ("`images`", f'{{"messages":[{{"role":"user","content":"x","images":["{PNG}"]}}]}}'),
    ("`tools`", "{" + _OLLAMA_TOOL + "}"),
    (
        "`tool_calls` and result",
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":'
        '{"a":1}}}]},{"role":"tool","tool_name":"f","content":"r"}],' + _OLLAMA_TOOL + "}",
    ),
    (
        "`thinking` in the history",
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"a","thinking":"hm"},{"role":"user","content":"y"}]}',
    ),
    ("`format` json", '{"format":"json"}'),
    ("`format` schema", f'{{"format":{SCHEMA}}}'),
    ("`think`", '{"think":true}'),
    ("`think` level", '{"think":"high"}'),
    ("`keep_alive`", '{"keep_alive":"5m"}'),
    ("`logprobs`", '{"logprobs":true,"top_logprobs":2}'),
    ("`options.num_predict`", _option('"num_predict":99')),
    ("`options.temperature`", _option('"temperature":0.5')),
    ("`options.top_p`", _option('"top_p":0.5')),
    ("`options.top_k`", _option('"top_k":5')),
    ("`options.seed`", _option('"seed":7')),
    ("`options.stop`", _option('"stop":["END"]')),
    ("`options.presence_penalty`", _option('"presence_penalty":0.5')),
    ("`options.frequency_penalty`", _option('"frequency_penalty":0.5')),
    ("`options.repeat_penalty`", _option('"repeat_penalty":1.5')),
    ("`options.num_ctx`", _option('"num_ctx":2048')),
)

PROBES: Final = {
    "openai_chat": CHAT,
    "openai_responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "ollama": OLLAMA,
}


def request_of(dialect: str, patch: str = "{}") -> bytes:
    """The dialect's smallest request, changed as a probe says."""
    base = msgspec.json.decode(BASES[dialect])
    return msgspec.json.encode(_merged(base, msgspec.json.decode(patch)))


def _merged(base: object, patch: object) -> object:
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    return {**base, **{name: _merged(base.get(name), value) for name, value in patch.items()}}
