using System.CommandLine;

namespace VmMigration.Runner;

/// <summary>The arguments and options of <c>host</c>.</summary>
internal static class HostCommandLine
{
    private const string Description = """
        Serve this machine as a host to other machines until SIGTERM or Ctrl+C. VMs of QEMU run on while no agent is there; the next one
        finds them again. Options win over the configuration file.
        """;

    public static Command Make()
    {
        var config = new Option<string?>("--config", "-c")
        {
            HelpName = "file", Description = "The configuration (JSON with comments); agent.example.json explains every key.",
        };
        var check = new Option<bool>("--check")
        {
            Description = "Check the configuration and say what this machine and this account can do; start nothing.",
        };
        var command = new Command("host", Description) { config, check };
        Dictionary<Option<string?>, string> overriding = [];
        Add("--name", "name", "name", "Name of the host.");
        Add("--state-directory", "directory", "stateDirectory", "Journal, logs and sockets.");
        Add("--ram-directory", "directory", "ramDirectory", "Memory file system for guests' RAM.");
        Add("--certificate", "file", "control.certificate", "The agent's certificate (PEM).");
        Add("--key", "file", "control.key", "Its private key (PEM).");
        Add("--authority", "file", "control.authority", "Authorities whose clients are let in (PEM).");
        Add("--unix-socket", "path", "control.unixSocket.path", "Socket for control from this machine.");
        Add("--migration-address", "address", "migration.listenAddress", "Address that VMs arrive on.");
        Add("--migration-port", "port", "migration.listenPort", "Port that VMs arrive on.");
        Add("--log-level", "level", "log.consoleLevel", "What is logged to standard error, from this level on.");
        var listen = new Option<string[]>("--listen")
        {
            HelpName = "uri", Description = "Address for control, https://ADDRESS:PORT. May be given several times.",
            AllowMultipleArgumentsPerToken = false,
        };
        command.Options.Add(listen);
        command.SetAction(async (parsed, _) =>
        {
            Dictionary<string, (string Value, string Origin)> overrides = new(StringComparer.OrdinalIgnoreCase);
            foreach ((Option<string?> option, string key) in overriding)
            {
                if (parsed.GetValue(option) is { } value) overrides[key] = (value, option.Name);
            }

            foreach ((int index, string uri) in (parsed.GetValue(listen) ?? []).Index())
            {
                overrides[$"control.listen.{index}"] = (uri, listen.Name);
            }

            var host = new HostCommand(parsed.GetValue(config), overrides);
            return (int)await (parsed.GetValue(check) ? host.CheckAsync() : host.ExecuteAsync()).ConfigureAwait(false);
        });
        return command;

        void Add(string name, string helpName, string key, string description)
        {
            var option = new Option<string?>(name) { HelpName = helpName, Description = description };
            overriding.Add(option, key);
            command.Options.Add(option);
        }
    }
}
