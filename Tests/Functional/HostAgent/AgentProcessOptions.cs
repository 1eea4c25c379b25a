using System.Text.Json.Nodes;
using VmMigration.Engine.Protocol;

namespace VmMigration.Functional.Tests.HostAgent;

/// <summary>How an agent is started for a test.</summary>
internal sealed record AgentProcessOptions
{
    /// <summary>Name of the host; one agent of that name in a lab.</summary>
    public required string Name { get; init; }

    /// <summary>Address to control it on.</summary>
    public string ControlAddress { get; init; } = "127.0.0.1";

    /// <summary>Address that VMs arrive on.</summary>
    public string MigrationAddress { get; init; } = "127.0.0.1";

    /// <summary>What it demands of connections that carry VMs.</summary>
    public LinkSecurity LinkSecurity { get; init; } = LinkSecurity.Tls;

    /// <summary>Put before the agent's command line, such as <c>ip netns exec NAME</c>; must exec, so that the process id stays.</summary>
    public IReadOnlyList<string> Launcher { get; init; } = [];

    /// <summary>Changes the configuration that is made from all this before it is written.</summary>
    public Action<JsonObject>? Configure { get; init; }
}
