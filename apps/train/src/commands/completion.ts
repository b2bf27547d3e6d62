import { Argument, type Command, type Option } from "commander";
import { valuesOf } from "../config/command.ts";
import type { Terminal } from "../terminal.ts";
import { commands, type BuildCommand } from "./index.ts";

const shells = ["bash", "zsh", "fish"] as const;
type Shell = (typeof shells)[number];

/** `vlmr1 completion SHELL`: a script that completes commands, options and their values with the tab key. */
export const buildCompletion: BuildCommand = (command, terminal) => {
  command
    .addArgument(new Argument("<shell>", "the shell that reads the script").choices(shells))
    .addHelpText(
      "after",
      `
bash   vlmr1 completion bash >> ~/.bashrc
zsh    vlmr1 completion zsh >> ~/.zshrc
fish   vlmr1 completion fish > ~/.config/fish/completions/vlmr1.fish`,
    )
    .action(async (shell: Shell) => {
      const script = scripts[shell](await everyCommand(command, terminal));
      terminal().result({ script }, script);
    });
};

/** A command by its words, with what may follow them. */
interface Completable {
  /** `["eval", "model"]`. */
  readonly path: readonly string[];
  readonly about: string;
  readonly commands: readonly Command[];
  readonly options: readonly Option[];
}

/** Builds every command, and lists them from the program down. */
async function everyCommand(self: Command, terminal: () => Terminal): Promise<Completable[]> {
  const program = self.parent as Command;
  for (const { name, load } of commands) {
    const stub = program.commands.find((command) => command.name() === name);
    if (stub && stub !== self) (await load())(stub, terminal);
  }
  const listed = (command: Command, path: readonly string[]): Completable[] => [
    { path, about: command.description(), commands: command.commands, options: command.options },
    ...command.commands.flatMap((inner) => listed(inner, [...path, inner.name()])),
  ];
  return listed(program, []);
}

const scripts: Readonly<Record<Shell, (all: readonly Completable[]) => string>> = {
  bash: bashScript,
  zsh: (all) => `autoload -U +X bashcompinit && bashcompinit\n${bashScript(all)}`,
  fish: fishScript,
};

/** Also for zsh, which runs completions of bash. */
function bashScript(all: readonly Completable[]): string {
  const values = all.flatMap(({ path, options }) =>
    options.flatMap((option) =>
      valuesOf(option).length === 0
        ? []
        : [`    "${path.join(" ")} ${option.long}") words="${valuesOf(option).join(" ")}" ;;`],
    ),
  );
  const words = all.map(({ path, commands: inner, options }) => {
    const names = [...inner.map((command) => command.name()), ...options.map(({ long }) => long), "--help"];
    return `      "${path.join(" ")}") words="${names.join(" ")}" ;;`;
  });
  return `_vlmr1() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) break ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path $prev" in
${values.join("\n")}
  esac
  if [ -z "$words" ] && { [ -z "$cur" ] || [ "\${cur#-}" != "$cur" ] || [ "\${prev#-}" = "$prev" ]; }; then
    case "$path" in
${words.join("\n")}
    esac
  fi
  COMPREPLY=( $(compgen -W "$words" -- "$cur") )
  if [ \${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=( $(compgen -f -- "$cur") ); fi
}
complete -o filenames -F _vlmr1 vlmr1`;
}

function fishScript(all: readonly Completable[]): string {
  const lines = all.flatMap(({ path, commands: inner, options }) => {
    const here =
      path.length === 0
        ? "__fish_use_subcommand"
        : path.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    return [
      ...inner.map(
        (command) =>
          `complete -c vlmr1 -f -n '${here}' -a ${command.name()} -d ${fishText(command.description())}`,
      ),
      ...options.map((option) => {
        const choices = valuesOf(option);
        const takes =
          choices.length > 0 ? ` -x -a ${fishText(choices.join(" "))}` : option.required ? " -r" : "";
        return `complete -c vlmr1 -n '${here}' -l ${(option.long ?? "").slice(2)}${takes} -d ${fishText(option.description)}`;
      }),
    ];
  });
  return lines.join("\n");
}

function fishText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
