import { ProvisionError } from "../../errors.ts";
import type { Sink } from "./exchange.ts";
import { field, type Head } from "./head.ts";

/** Browsers look no further for the kind of a document (WHATWG MIME Sniffing §7). */
const SNIFFED_BYTES = 512;
const HTML_BEGINNING = /^(?:\ufeff|\u00ef\u00bb\u00bf)?\s*<(?:!doctype\s+html|html|head|body)[\s>]/i;

/** PORTAL if an answer with status 200 is HTML by its type, where no HTML was asked for: a captive portal answers for every host. */
export function refusePortalType(head: Head, asked: URL): void {
  if (wantsHtml(asked)) return;
  const type = field(head, "content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "text/html" || type === "application/xhtml+xml") {
    throw new ProvisionError("PORTAL", `${type} came where no HTML was asked for: a captive portal, or a web page`);
  }
}

/** Lets a body through, and throws PORTAL if it begins like an HTML document whatever its type says. */
export function refusingHtml(sink: Sink, asked: URL): Sink {
  if (wantsHtml(asked)) return sink;
  let beginning = "";
  return {
    write(chunk) {
      if (beginning.length < SNIFFED_BYTES) {
        beginning += Buffer.from(chunk.subarray(0, SNIFFED_BYTES)).toString("latin1");
        if (HTML_BEGINNING.test(beginning)) {
          throw new ProvisionError("PORTAL", "an HTML document came where none was asked for: a captive portal");
        }
      }
      sink.write(chunk);
    },
  };
}

function wantsHtml(asked: URL): boolean {
  return /\.x?html?$/i.test(asked.pathname);
}
