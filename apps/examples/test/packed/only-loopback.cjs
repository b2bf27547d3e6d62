// Preloaded into every Node process of the packed tests: it may open connections to this machine's loopback only.
const { Socket } = require("node:net");
const connect = Socket.prototype.connect;
Socket.prototype.connect = function (...args) {
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  const host = typeof options === "object" ? options.host : typeof args[1] === "string" ? args[1] : undefined;
  const isPipe = typeof options === "object" ? options.path !== undefined : typeof options === "string";
  if (!isPipe && host !== undefined && !["localhost", "127.0.0.1", "::1"].includes(host))
    throw new Error(`A connection to ${host} was refused: the packed tests allow the registry only.`);
  return connect.apply(this, args);
};
