/** A link to a case: the call is in the fragment of the URL, which a browser never sends to a server. */

const MAX = 8000; // characters of a link that chats and trackers still keep whole

/** Return the URL of a case; with a text, of that call edited from the case. Empty where it is too long to be shared. */
export async function linkTo(vignette, text) {
  const packed = text && `&call=${await pack(text)}`;
  const url = new URL(`#vignette=${vignette}${packed}`, location.href).href;
  return url.length > MAX ? "" : url;
}

/** Return the text of the call in a link; throws where the link was cut. */
export async function sharedText(packed) {
  const binary = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (sign) => sign.charCodeAt(0));
  return through(new DecompressionStream("deflate"), bytes).text();
}

async function pack(text) {
  const buffer = await through(new CompressionStream("deflate"), text).arrayBuffer();
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const through = (stream, data) => new Response(new Blob([data]).stream().pipeThrough(stream));
