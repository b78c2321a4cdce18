/**
 * What the errors of clients and runtimes mean, where no answer of a provider settles it: Node and `fetch`, Effect, and
 * the `openai`, `@anthropic-ai/sdk` and `ai` packages. Names of errors count as codes; classes are never looked at.
 */
import { type Rule, when } from "./Rule.ts"
import { failure, ignored, throttled, trip } from "./Verdict.ts"

/** What happened before or after an answer, or instead of one. */
export const events: ReadonlyArray<Rule> = [
  // A deadline aborts the request, so both names are found together: the deadline is the reason
  when({ code: "timeouterror apiconnectiontimeouterror etimedout esockettimedout" }, failure("timeout")),
  when({ code: "und_err_connect_timeout und_err_headers_timeout und_err_body_timeout" }, failure("timeout")),
  when({ client: /^Request timed out\.$/ }, failure("timeout")), // openai, @anthropic-ai/sdk
  when({ code: "aborterror apiuseraborterror abort_err interrupterror" }, ignored("cancelled")),
  when({ code: "und_err_aborted err_canceled" }, ignored("cancelled")),
  when({ client: /^Request was aborted\.$/ }, ignored("cancelled")), // openai, @anthropic-ai/sdk

  // Effect's verdicts, and those of the clients' own parsers; the fault they were caused by comes second
  when({ code: "quotaexhaustederror" }, trip("quota")),
  when({ code: "contentpolicyerror" }, ignored("content-policy")),
  when({ client: /rejected by the content filter$/ }, ignored("content-policy")),
  when({ code: "invalidoutputerror structuredoutputerror ai_noobjectgeneratederror" }, ignored("quality", "model")),
  when({ code: "toolnotfounderror toolparametervalidationerror" }, ignored("quality", "model")),
  when({ code: "ai_nosuchtoolerror ai_invalidtoolinputerror ai_toolcallrepairerror" }, ignored("quality", "model")),
  when({ client: /as the length limit was reached$/ }, ignored("quality", "model")),
  when({ code: "unsupportedschemaerror invaliduserinputerror invalidtoolresulterror" }, ignored("invalid-request")),
  when({ code: "toolresultencodingerror toolconfigurationerror toolkitrequirederror" }, ignored("invalid-request")),
  when({ code: "ai_invalidargumenterror ai_invalidprompterror ai_loadsettingerror" }, ignored("invalid-request")),
  when({ code: "ai_unsupportedfunctionalityerror ai_nosuchprovidererror" }, ignored("invalid-request")),
  when({ code: "ai_toomanyembeddingvaluesforcallerror" }, ignored("invalid-request")),
  when({ code: "encodeerror invalidurlerror err_invalid_url" }, ignored("invalid-request")),
  when({ code: "ai_loadapikeyerror" }, trip("auth")),
  when({ code: "ai_nosuchmodelerror" }, trip("model-gone", "model")),

  // The connection
  when(
    { code: "econnreset econnrefused econnaborted epipe eproto enotfound eai_again" },
    failure("network", "provider")
  ),
  when({ code: "ehostunreach enetunreach enetdown und_err_socket und_err_closed" }, failure("network", "provider")),
  when({ code: "cert_has_expired depth_zero_self_signed_cert" }, failure("network", "provider")),
  when({ code: "self_signed_cert_in_chain unable_to_verify_leaf_signature" }, failure("network", "provider")),
  when({ code: "transporterror networkerror apiconnectionerror" }, failure("network", "provider")),
  when({ client: /^(?:terminated|fetch failed|Connection error\.)$/ }, failure("network", "provider")),
  when({ client: /^Cannot connect to API: / }, failure("network", "provider")), // ai

  // The answer
  when({ code: "err_stream_premature_close und_err_res_content_length_mismatch" }, failure("truncated")),
  when({ client: /^missing (?:finish_reason|role) for choice/ }, failure("truncated")),
  when({ client: /ended without a finish chunk\.$/ }, failure("truncated")), // ai
  when({ client: /^stream ended without producing|before receiving "message_stop"/ }, failure("truncated")),
  when({ client: /^request ended without sending any chunks/ }, failure("empty")),
  when({ code: "ai_emptyresponsebodyerror emptybodyerror ai_nocontentgeneratederror" }, failure("empty")),
  when({ failed: false, code: "syntaxerror decodeerror invalidresponseerror" }, failure("bad-response")),
  when({ failed: false, code: "ai_jsonparseerror ai_invalidresponsedataerror" }, failure("bad-response")),
  when({ failed: false, code: "ai_typevalidationerror ai_invalidstreamparterror" }, failure("bad-response"))
]

/** Effect's tags for a status, for errors made by hand: a real one carries the response, which says more. */
export const tags: ReadonlyArray<Rule> = [
  when({ code: "insufficientpermissions" }, trip("permission", "key", { minutes: 5 })),
  when({ code: "authenticationerror" }, trip("auth")),
  when({ code: "ratelimiterror" }, throttled("rate-limit")),
  when({ code: "internalprovidererror" }, failure("server")),
  when({ code: "invalidrequesterror" }, ignored("invalid-request"))
]
