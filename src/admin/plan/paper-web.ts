import type { Http, HttpAnswer, Transport } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import { entryName } from "../../tree/resources.ts";
import { type PlainUri, parseUri, redactUri } from "../../uri.ts";
import type { PaperFile } from "./paper-disk.ts";
import type { TreeFolder } from "./tree-folder.ts";

/** A web server that has the folder at its base, and a network without anything else in it. */
export interface PaperWeb extends Http {
  /** URIs that were asked for and lie outside the tree: what is there only the device can tell. */
  readonly elsewhere: ReadonlySet<string>;
}

/**
 * Serves `tree` at `base`. A server is believed to be who its https URI says: certificates are no matter of paper. Bodies that a device would put into its RAM go into
 * `spool`, by path.
 */
export function paperWeb(tree: TreeFolder, base: PlainUri, spool: Map<string, PaperFile>): PaperWeb {
  const elsewhere = new Set<string>();
  const transport: Transport = {
    scheme: base.scheme,
    host: base.host,
    port: base.port,
    proof: base.scheme === "https" ? { kind: "ca", fingerprint: "" } : { kind: "none" },
  };
  return {
    elsewhere,
    async get(request): Promise<HttpAnswer> {
      const uri = parseUri(request.uri, "a resource");
      const name = entryName(uri, base);
      const file = name === undefined ? undefined : tree.file(name);
      if (name === undefined) elsewhere.add(redactUri(uri.text));
      if (file === undefined) return { kind: "absent", uri: uri.text, transport };
      if (file.bytes.length > request.limit) {
        throw new ProvisionError(
          "TOO_LARGE",
          `${redactUri(uri.text)} has ${file.bytes.length} bytes, ${request.limit} are allowed`,
        );
      }
      if (request.spool !== undefined) spool.set(request.spool, { kind: "file", bytes: file.bytes, mode: 0o600 });
      const bytes = request.spool === undefined ? file.bytes : new Uint8Array();
      return { kind: "body", uri: uri.text, transport, bytes, size: file.bytes.length, sha256: file.sha256 };
    },
    close: async () => undefined,
  };
}
