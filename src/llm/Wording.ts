/**
 * The words that an outcome carries to people: the provider's own, short, on one line, and without anybody's key.
 */

const longest = 300

/** What looks like a secret: keys by their well-known beginnings, bearer tokens, what was masked already, long runs. */
const secrets: ReadonlyArray<RegExp> = [
  /\b(?:sk|pk|rk|gsk|xai|hf|pplx|nvapi|r8|fw|csk|tgp)[-_][-_.*A-Za-z0-9]{6,}/g,
  /\b(?:gh[opsur]|github_pat|glpat)[-_][-_A-Za-z0-9]{6,}/g,
  /(?<=:\/\/)[^\s/@]{1,256}(?=@)/g,
  /(?<=[?&](?:key|sig)=)[^\s&]+/gi,
  /\b(?:ya29|AIza|AKIA|ASIA|eyJ)[-_.*A-Za-z0-9]{12,}/g,
  /(?<=\b(?:bearer|basic) )[-_.~+/=A-Za-z0-9*]{6,}/gi,
  /(?<=\b(?:api[ _-]?key|token)(?: provided)?[:=] ?["']?)[^\s"'.,]{4,}/gi,
  /[-_A-Za-z0-9]{0,64}\*{3,}[-_*A-Za-z0-9]{0,64}/g,
  /\b(?=[A-Za-z]{0,128}[0-9])[A-Za-z0-9]{32,}\b/g
]

// How each of them begins, in one pattern: hardly any text has one, and to look for all of them takes long.
const mayBeSecret =
  /\*{3}|:\/\/[^\s/@]{1,256}@|[?&](?:key|sig)=|\b(?:(?:gh[opsur]|github_pat|glpat|sk|pk|rk|gsk|xai|hf|pplx|nvapi|r8|fw|csk|tgp)[-_]|ya29|AIza|AKIA|ASIA|eyJ|(?:bearer|basic) |(?:api[ _-]?key|token)(?: provided)?[:=]|[a-z0-9]{32})/i

/** The text as it may be shown; `undefined` if nothing is left of it. */
export const shown = (text: string | undefined): string | undefined => {
  if (text === undefined) return undefined
  // Far more than is shown, so that a key across the cut is still seen as one.
  const line = onOneLine(text.slice(0, longest * 4))
  const clean = mayBeSecret.test(line)
    ? secrets.reduce((line, secret) => line.replaceAll(secret, "[redacted]"), line)
    : line
  return clean === "" ? undefined : clean.length > longest ? `${clean.slice(0, longest - 1).trimEnd()}…` : clean
}

const onOneLine = (text: string): string =>
  /^[!-~]+(?: [!-~]+)*$/.test(text) ? text : text.replaceAll(/[\s\p{Cc}\p{Cf}]+/gu, " ").trim()

const phrases: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  408: "Request Timeout",
  409: "Conflict",
  413: "Content Too Large",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  499: "Client Closed Request",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  520: "Unknown Error at the Origin",
  521: "Origin Is Down",
  522: "Connection to the Origin Timed Out",
  523: "Origin Is Unreachable",
  524: "Origin Timed Out",
  529: "Overloaded"
}

/** What stands in for the words of a provider that sent none, or a page of HTML. */
export const ofStatus = (status: number | undefined, isPage: boolean): string | undefined => {
  if (status === undefined) return isPage ? "(HTML)" : undefined
  const phrase = phrases[status]
  return `${status}${phrase === undefined ? "" : ` ${phrase}`}${isPage ? " (HTML)" : ""}`
}
