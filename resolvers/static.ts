import { defineResolver, template } from "../src/api.ts";

/** The URI that stands in the device's own settings, put into the image or set by hand. */
export default defineResolver({
  name: "static",
  evidence: "local",
  deadline: 1000,
  isEnabled: ({ settings }) => settings.static.base_uri !== undefined,
  async resolve({ settings }) {
    const uri = settings.static.base_uri;
    return uri === undefined
      ? undefined
      : { uri: template(uri), evidence: "local", told: "uciprov.static.base_uri in /etc/config/uciprov" };
  },
});
