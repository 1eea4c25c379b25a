using Serilog.Core;
using VmMigration.Engine;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Native;
using VmMigration.Engine.Paths;
using VmMigration.HostAgent.Control;

namespace VmMigration.HostAgent;

/// <summary>Says what an agent with given options could do here, without disturbing one that runs.</summary>
public static class HostAgentCheck
{
    /// <summary>
    /// Checks the options and the files they name, and describes the machine and the rights of this account, one line each. Nothing listens,
    /// and neither the state directory nor the datastore is touched.
    /// </summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> where the agent would refuse to start.</exception>
    public static async Task<IReadOnlyList<string>> RunAsync(HostAgentOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        List<string> lines = [.. DescribeOptions(options)];

        // On a directory of its own, which goes again. On the agent's datastore a host without its journal would take every fragment for one
        // that nobody knows, and remove it.
        LocalHostOptions trial = options.Host with { StateDirectory = null, DatastoreDirectory = null, ListenPort = 0 };
        await using (LocalHost host = await LocalHost.OpenAsync(trial, cancellationToken).ConfigureAwait(false))
        {
            HostDescription description = await host.DescribeAsync(cancellationToken).ConfigureAwait(false);
            foreach ((HypervisorKind kind, string? obstacle) in description.Hypervisors)
            {
                lines.Add($"Hypervisor {kind}: {obstacle ?? "VMs can run."}");
            }

            foreach ((MobilityPathKind kind, string? obstacle) in description.Paths) lines.Add($"Path {kind}: {obstacle ?? "can be made."}");
        }

        lines.AddRange(DescribeKernel(KernelFeatures.Probe()));
        lines.AddRange(AgentCapability.All.Select(capability => capability.Describe(ProcessCapabilities.ReadEffective())));
        return lines;
    }

    private static IEnumerable<string> DescribeOptions(HostAgentOptions options)
    {
        yield return $"Host '{options.Host.Name}' on {options.Host.StateDirectory}";
        if (options.Control.Certificates is { } files)
        {
            AgentCertificateSet present = AgentCertificates.Open(files, TimeProvider.System, Logger.None).Present;
            yield return $"Certificate {present.Shown.TargetCertificate.Subject}, valid until"
                + $" {present.Shown.TargetCertificate.NotAfter.ToUniversalTime():u}, trusting "
                + string.Join("; ", present.Authorities.Select(authority => authority.Subject));
        }

        yield return DescribeDatastore(options.Host);
        foreach (Uri uri in options.Control.Listen) yield return $"Control over TLS 1.3 on {uri}";
        if (options.Control.UnixSocket is { } socket) yield return $"Control by the socket {socket.Path}";
        if (options.Metrics is { } metrics) yield return $"Metrics on {metrics.Listen}";
    }

    private static string DescribeDatastore(LocalHostOptions host)
    {
        string datastore = Path.GetFullPath(host.DatastoreDirectory ?? Path.Combine(host.StateDirectory!, LocalHostDisks.DirectoryName));
        string fragments = $"fragments are kept for {host.FragmentAgeLimit:g}"
            + (host.FragmentBytesLimit == 0 ? "" : $", {host.FragmentBytesLimit >> 20} MiB of them");
        if (!Directory.Exists(datastore)) return $"Disks in '{datastore}', which the agent makes; {fragments}.";
        string space = $"{new DriveInfo(datastore).AvailableFreeSpace >> 30} GiB available";
        return $"Disks in '{datastore}', {space}; {fragments}.";
    }

    private static IEnumerable<string> DescribeKernel(KernelFeatures features) =>
    [
        $"Write traces by the kernel: {features.AsyncTraceObstacle ?? "available."}",
        $"Write traces by the engine: {features.SyncTraceObstacle ?? "available."}",
        $"Post-copy: {features.PostcopyObstacle ?? "available."}",
        $"Page-table population: {features.PopulationObstacle ?? "available."}",
        $"Guest memory on a tmpfs of large pages: {features.HugeTmpfsObstacle ?? "available."}",
        $"Guest memory on reserved large pages: {features.HugeTlbObstacle ?? "available."}",
        $"Large pages mapped before the guest touches them: {features.LargePopulationObstacle ?? "available."}",
        $"Poisoned pages: {features.PoisonMarkObstacle ?? "available."}",
    ];
}
