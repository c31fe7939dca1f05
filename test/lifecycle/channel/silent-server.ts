/** Serves the channel in the directory that it is given, writes down what it is asked, and never answers: for who ends it. */
import { serveChannel } from "../../../src/lifecycle/channel/serve-channel.ts";

const [directory = ""] = Bun.argv.slice(2);
serveChannel({
  directory,
  answers: {
    answer({ operation }) {
      console.log(operation);
      return new Promise(() => {});
    },
  },
});
console.log("serves");
