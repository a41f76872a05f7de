/** The device's own certificate and its key, as a tree has them: what shows who it is, to whoever asks. */
export const OWN_CERTIFICATE = { uri: "{base_uri}/certs/{mac}{fd}.pem", size: "small" } as const;
