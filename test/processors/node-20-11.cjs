// The newest Node there is for s390x in the npm registry is 20.11, without this function of 20.16 that the program uses to load Node's own modules late.
process.getBuiltinModule ??= (name) => require(name);
