/** `walrus completion`: what a shell has to know to complete commands and flags, out of the commands themselves. */
import { Argument, type Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Words of a command line that come before, such as `topic`, and what may come next. */
interface Place {
  readonly path: readonly string[];
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly flags: readonly { readonly name: string; readonly description: string }[];
}

/** To be added last: it completes what the program has by then. */
export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description('print what makes a shell complete the commands; see --help for how')
    .addArgument(new Argument('<shell>', 'which').choices(SHELLS))
    .addHelpText(
      'after',
      `
  bash: walrus completion bash > /etc/bash_completion.d/walrus
  zsh:  walrus completion zsh > "\${fpath[1]}/_walrus"
  fish: walrus completion fish > ~/.config/fish/completions/walrus.fish`,
    )
    .action((shell: Shell) => {
      process.stdout.write({ bash, zsh, fish }[shell](placesOf(program)));
    });
}

function placesOf(command: Command, path: readonly string[] = []): Place[] {
  const help = command.createHelp();
  const commands = help.visibleCommands(command).filter((each) => each.name() !== 'help');
  const flags = help.visibleOptions(command).filter(({ long }) => long !== undefined);
  return [
    {
      path,
      commands: commands.map((each) => ({ name: each.name(), description: each.description() })),
      flags: flags.map(({ long, description }) => ({ name: long!, description })),
    },
    ...commands.flatMap((each) => placesOf(each, [...path, each.name()])),
  ];
}

/** The words before the cursor that are commands say where it is. */
function whereabouts(places: readonly Place[]): string {
  const known = places.filter(({ path }) => path.length > 0).map(({ path }) => path.join(' '));
  return known
    .map((path) => `      '${path.includes(' ') ? path : ` ${path}`}') place='${path}' ;;`)
    .join('\n');
}

/** Walks the words before the cursor, then does what is said of the place that they lead to. */
function walk(words: string, places: readonly Place[], cases: readonly string[]): string {
  return `  for word in "\${${words}}"; do
    case "$place $word" in
${whereabouts(places)}
    esac
  done
  case "$place" in
${cases.join('\n')}
  esac`;
}

function bash(places: readonly Place[]): string {
  const cases = places.map(({ path, commands, flags }) => {
    const words = [...commands, ...flags].map(({ name }) => name).join(' ');
    return `    '${path.join(' ')}') words='${words}' ;;`;
  });
  return `# bash completion for walrus
_walrus() {
  local place='' word words=''
${walk('COMP_WORDS[@]:1:COMP_CWORD-1', places, cases)}
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _walrus walrus
`;
}

function zsh(places: readonly Place[]): string {
  const cases = places.map(({ path, commands, flags }) => {
    const found = [...commands, ...flags].map(({ name, description }) => {
      return `'${`${name}:${description}`.replaceAll("'", "'\\''")}'`;
    });
    return `    '${path.join(' ')}') found=(${found.join(' ')}) ;;`;
  });
  return `#compdef walrus
_walrus() {
  local place='' word
  local -a found
${walk('(@)words[2,CURRENT-1]', places, cases)}
  _describe walrus found || _files
}
_walrus "$@"
`;
}

function fish(places: readonly Place[]): string {
  const quoted = (text: string): string =>
    `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = places.flatMap(({ path, commands, flags }) => {
    const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
    const inner =
      commands.length === 0
        ? []
        : [`not __fish_seen_subcommand_from ${commands.map(({ name }) => name).join(' ')}`];
    const condition = [...seen, ...inner].join('; and ');
    const when = condition === '' ? '' : ` -n ${quoted(condition)}`;
    return [
      ...commands.map(
        ({ name, description }) =>
          `complete -c walrus -f${when} -a ${name} -d ${quoted(description)}`,
      ),
      ...flags.map(
        ({ name, description }) =>
          `complete -c walrus${when} -l ${name.slice(2)} -d ${quoted(description)}`,
      ),
    ];
  });
  return `# fish completion for walrus\n${lines.join('\n')}\n`;
}
