using Grpc.Core;
using Grpc.Net.Client;
using VmMigration.Engine.Hosts.Remote.Messages;

namespace VmMigration.Engine.Hosts.Remote;

/// <summary>
/// A host on another machine (or in another process of this one), reached through its agent. Safe to use from several threads.
/// </summary>
/// <remarks>
/// What the agent reports as failed has the reason, message and recommended action the agent's host gave. Beyond those, each call fails
/// with <see cref="MigrationErrorReason.ConnectionLost"/> where the agent cannot be reached; a call that changes something may have come through
/// then. Calls that change nothing are tried again before that. Disposal only ends the connection: VMs, migrations and disk transfers go on.
/// </remarks>
public sealed partial class RemoteHost : IMigrationHost
{
    private readonly GrpcChannel channel;
    private readonly AgentCalls calls;
    private readonly AgentWatch watch;
    private readonly Contract.Hosts.HostsClient hosts;
    private readonly Contract.Vms.VmsClient vms;
    private readonly Contract.GuestMemory.GuestMemoryClient memory;
    private readonly Contract.IncomingMigrations.IncomingMigrationsClient incoming;
    private readonly Contract.Migrations.MigrationsClient migrations;
    private readonly Contract.MobilityPaths.MobilityPathsClient paths;

    private RemoteHost(RemoteHostOptions options)
    {
        Uri = options.Uri;
        if (options.Certificate is { } own) OwnCertificate = new(own);
        var failures = new AgentFailures(options.Uri.ToString());
        channel = AgentChannel.Make(options, certificate =>
        {
            AgentCertificate = new(certificate);
            failures.NoteHandshake();
        });
        CallInvoker invoker = channel.CreateCallInvoker();
        hosts = new(invoker);
        vms = new(invoker);
        memory = new(invoker);
        incoming = new(invoker);
        migrations = new(invoker);
        paths = new(invoker);
        calls = new(failures);
        watch = new(calls, failures, options.ReconnectTimeLimit);
        Disks = new RemoteHostDisks(invoker, calls, watch);
    }

    /// <summary>Where its agent is reached.</summary>
    public Uri Uri { get; }

    /// <summary>Name of the host, as its agent said when it was connected.</summary>
    public string Name { get; private set; } = "";

    /// <inheritdoc/>
    public Disks.IHostDisks Disks { get; }

    /// <summary>What this side shows; null over a unix socket.</summary>
    public ShownCertificate? OwnCertificate { get; }

    /// <summary>What the agent showed when it was connected last; null over a unix socket.</summary>
    public ShownCertificate? AgentCertificate { get; private set; }

    /// <summary>Connects to an agent and asks it what it is.</summary>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.InvalidArgument"/> for an address of another kind, and for <c>https</c> without certificates;
    /// <see cref="MigrationErrorReason.AccessDenied"/> where either side refuses the other's certificate, or the socket's permissions do;
    /// <see cref="MigrationErrorReason.ConnectionLost"/> where nothing answers in time.
    /// </exception>
    public static async Task<RemoteHost> ConnectAsync(RemoteHostOptions options, CancellationToken cancellationToken)
    {
        var host = new RemoteHost(options);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(options.ConnectTimeLimit);
        try
        {
            host.Name = (await host.DescribeAsync(limited.Token).ConfigureAwait(false)).Name;
            return host;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw new MigrationException(
                MigrationErrorReason.ConnectionLost,
                $"Nothing answered at {options.Uri} within {options.ConnectTimeLimit.TotalSeconds:F0} s.",
                "Check the address, that the agent runs, and that the network lets connections through.", e);
        }
        catch (MigrationException e) when (e.Reason == MigrationErrorReason.ConnectionLost && host.AgentCertificate is not null)
        {
            // With TLS 1.3 the agent looks at this side's certificate when the connection is made already; that it hangs up then is all
            // there may be to see of a refusal.
            await host.DisposeAsync().ConfigureAwait(false);
            throw new MigrationException(MigrationErrorReason.AccessDenied,
                $"The agent {options.Uri} ended the connection once both sides had shown their certificates: it does not let "
                + $"'{host.OwnCertificate!.Subject}' in.",
                "Use a certificate for clients, of an authority that the agent trusts; the agent's log says why it refused this one.", e);
        }
        catch
        {
            await host.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<HostDescription> DescribeAsync(CancellationToken cancellationToken) => (await calls.ReadAsync(
        options => hosts.DescribeAsync(new(), options), cancellationToken).ConfigureAwait(false)).ToRecord();

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        calls.Close();
        channel.Dispose();
        return ValueTask.CompletedTask;
    }
}
