/** Public keys as `ssh-keygen` wrote them; nobody has the other halves. */
export const KEYS = {
  anna: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIArYhpWY+emmZ8KpBvC2jVxazn2plmzN5BrdRNL3O6jK anna@laptop",
  ben: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF4ciLFlSZulmD2G067d/4XOUqIYLw/GYCvHxCJbEyLO ben@desk",
  rsa: "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC5ANGXA39KJtQFX9WRhORPDB9dQ862HfWffX9QM1zQE/aoLfUbSfOoe+Xhs59DBIDrUFo8S/T6tHTdbS8yKHdcASvFms92DIfyyBq+zdDHrDZQKMXzILxBJevXSaMWXMdF2Zg0mnEcNddUCl/WxMMwnbVzhpK/YJXBbGW/Tyl5xg4mZU4QH5RKjPjG5ZJEjFI1jMbxcW9h9tBYJvmblQOUNv/bjntph/exmqtQ5Nqm9Gl4Z3OQgzM0gxos6B/xkNxP+qOp8ftu6o81pVLfPvIxyjgJRgduJo0YNwAatfWrC1TfMEJ/aRy1F0ib4SNYLrtNFb7LGGB0kr3SwxaOT7zb ops",
  p256: "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLDDztwkeuj97vlO7AtJGiOMOrOzHQR/Yt/BV3RkwdR0wik5Ww5Rkg9uezL6VMHTx5NZCdn85Hiux9RzZqOFTH8= p256",
  p384: "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBIJ4bNvuyj6W1Bvh4bmQ8WkDZIYhtm+eVjeIhyruWeA9YrMNuwbl2mZi6lPl4qEJLG8RzJs8hgHi1S9krfZP3uREmce4cBTuMAj/Mn3B6ysPbn0d7re7jlHU1g2Rncb47A== p384",
  p521: "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAHc1vDuWQ2bok/BCoRKrUx39jkHcqcgOjPLTrKqyM/6zXD9ma4hmVdeBEnid3x/hTZe6iebFGPptne6xco3C4n2TACOHAtecxnzX9ZkzOa0TBoT6xYD28+Z6ywlXpirHg2z8NrJW1YOgpUSFu20vPHIy5PiYb6yb+MIIp7NQMiDqjhe0g== p521",
  rsa1024:
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC8A4MGwn4uKpLtA8q2iEit0CAE/xV/lwbhI7fPfqp7xuIkz8swKz39zv+SJBpnb9H/RsJKjp5MVlKTDd6o16glzatf6OVJkRshO/fCxJz3B6do+pOLKdGgjt57yzMUZ9HilLEcB//7REJvSDnpfm+usY9PQLxcXwj64BYgGgefpQ== small",
} as const;

/** An SSH wire string: the bytes after their length. */
export function wire(...parts: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** A key line of this type around these wire strings, right or wrong. */
export function keyLine(type: string, ...parts: readonly (string | Uint8Array)[]): string {
  return `${type} ${wire(...parts).toString("base64")} made-up`;
}
