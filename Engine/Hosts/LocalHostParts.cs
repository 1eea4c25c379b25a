using Serilog;
using VmMigration.Engine.Disks;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Hypervisors.Qemu;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Hosts;

/// <summary>What an open host is put together from.</summary>
internal sealed class LocalHostParts : IAsyncDisposable
{
    private const string DefaultRamDirectory = "/dev/shm";

    private readonly VmRegistry registry = new();
    private bool closed;

    private LocalHostParts(
        LocalHostOptions options, HostDirectory directory, HostLog log, HostJournal journal, HypervisorSet hypervisors, LinkPolicy link,
        IDiskTransport disks)
    {
        Options = options;
        Directory = directory;
        Log = log;
        Journal = journal;
        Hypervisors = hypervisors;
        Link = link;
        Merges = new(Logger);
        Vms = new(options.Name, options.ShutdownTimeout, registry, Hypervisors, journal, Merges, Logger);
        Transfers = new(registry, Hypervisors, journal, Logger);
        Undecided = new(registry, journal, Logger);
        Memory = new(registry);
        Paths = new(options, registry, journal, TimeProvider.System, Logger);
        Disks = new(this, disks, TimeProvider.System);
        IncomingCheck = new(
            options.Name, options.RamDirectory ?? DefaultRamDirectory, registry, Hypervisors, MachineMemory.Read,
            new(options.Name, Disks.Datastore, journal.ArrivedDisks, registry));
        VmDisks = new(registry, Disks);
    }

    public LocalHostOptions Options { get; }

    public HostDirectory Directory { get; }

    public HostLog Log { get; }

    public HostJournal Journal { get; }

    public HypervisorSet Hypervisors { get; }

    public LocalHostVms Vms { get; }

    public LocalHostTransfers Transfers { get; }

    /// <summary>Merges the disks of VMs that arrived with them.</summary>
    public OverlayMerges Merges { get; }

    /// <summary>The migrations this host could not decide as their source.</summary>
    public UndecidedMigrations Undecided { get; }

    /// <summary>The memory of the VMs.</summary>
    public LocalHostMemory Memory { get; }

    /// <summary>What is demanded of the connections that carry VMs.</summary>
    public LinkPolicy Link { get; }

    /// <summary>The ends of mobility paths.</summary>
    public LocalHostPaths Paths { get; }

    /// <summary>The disks, and their transfers.</summary>
    public LocalHostDisks Disks { get; }

    /// <summary>Describes the VMs' disks.</summary>
    public VmDiskListing VmDisks { get; }

    public IncomingCheck IncomingCheck { get; }

    public ILocalHostMigrations Migrations { get; private set; } = null!;

    /// <summary>Writes to the host's log.</summary>
    public ILogger Logger => Log.Logger;

    /// <summary>Makes the hypervisors of an ordinary host.</summary>
    public static HypervisorSet MakeHypervisors(LocalHostOptions options, HostDirectory directory)
    {
        var qemu = new QemuHypervisor(
            new() { StateDirectory = directory.Path, RamDirectory = options.RamDirectory ?? DefaultRamDirectory });
        return new([new EmbeddedHypervisor(), qemu])
        {
            Register = (registration, cancellationToken) =>
                qemu.RegisterAsync(registration.QmpSocketPath, registration.Name, cancellationToken),
            RemoveLeftovers = qemu.RemoveLeftoversAsync,
            End = qemu.EndAsync,
            Close = qemu.RemoveUnusedFileSystems,
        };
    }

    /// <summary>Opens the parts in their order; where one fails, those before it are closed again.</summary>
    public static async Task<LocalHostParts> OpenAsync(
        LocalHostOptions options, Func<LocalHostOptions, HostDirectory, HypervisorSet> makeHypervisors,
        Func<LocalHostParts, ILocalHostMigrations> openMigrations, CancellationToken cancellationToken, IDiskTransport? disks = null)
    {
        VmSpecificationCheck.RequireHostName(options.Name);
        var directory = HostDirectory.Open(options.StateDirectory);
        HostLog? log = null;
        HostJournal? journal = null;
        LinkPolicy? link = null;
        LocalHostParts parts;
        try
        {
            log = HostLog.Open(options, directory);
            journal = HostJournal.Open(directory);
            link = new LinkPolicy(
                options.LinkSecurity, options.ListenAddress,
                directory.IsTemporary ? null : Path.Combine(directory.Path, "link-certificate.pem"));
            parts = new(options, directory, log, journal, makeHypervisors(options, directory), link,
                disks ?? new DiskTransport(log.Logger));
        }
        catch
        {
            link?.Dispose();
            journal?.Dispose();
            log?.Dispose();
            directory.Dispose();
            throw;
        }

        try
        {
            await new HostRecovery(parts.registry, parts.Hypervisors, journal, TimeProvider.System, parts.Logger)
                .RunAsync(cancellationToken).ConfigureAwait(false);
            await parts.Paths.RecoverAsync(cancellationToken).ConfigureAwait(false);
            await parts.Disks.RecoverAsync(cancellationToken).ConfigureAwait(false);
            foreach (VmSlot slot in parts.registry.List()) parts.Merges.Begin(slot);
            parts.Migrations = openMigrations(parts);
            parts.Logger.Information("Host {Host} is open on {StateDirectory}, listening on {Endpoint} ({LinkSecurity})",
                options.Name, directory.Path, parts.Migrations.Endpoint, link.Security);
            return parts;
        }
        catch
        {
            await parts.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Refuses what is asked of a closed host.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidState"/>.</exception>
    public void RequireOpen() => registry.RequireOpen();

    /// <summary>
    /// Ends the transfers of disks and the migrations, then lets go of the VMs, then closes the rest. VMs are destroyed where the directory is the host's own, except
    /// those that something else started.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (closed) return;
        closed = true;
        List<Exception> errors = [];
        await TryAsync(Disks.DisposeAsync, errors).ConfigureAwait(false);
        await TryAsync(() => Migrations is null ? ValueTask.CompletedTask : Migrations.DisposeAsync(), errors).ConfigureAwait(false);
        await TryAsync(Merges.DisposeAsync, errors).ConfigureAwait(false);
        await TryAsync(Paths.DisposeAsync, errors).ConfigureAwait(false);
        foreach (VmSlot slot in registry.Close())
        {
            await TryAsync(() => slot.CloseAsync(destroyUnlessRegistered: Directory.IsTemporary), errors).ConfigureAwait(false);
        }

        await TryAsync(() =>
        {
            Hypervisors.Close?.Invoke();
            return ValueTask.CompletedTask;
        }, errors).ConfigureAwait(false);
        Logger.Information("Host {Host} is closed", Options.Name);
        Link.Dispose();
        Journal.Dispose();
        Log.Dispose();
        Directory.Dispose();
        if (errors.Count == 1) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(errors[0]);
        if (errors.Count > 1) throw new AggregateException(errors);
    }

    /// <summary>One part that fails to close must not keep the others open.</summary>
    private async Task TryAsync(Func<ValueTask> close, List<Exception> errors)
    {
        try
        {
            await close().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            Logger.Error(e, "A part of host {Host} did not close", Options.Name);
            errors.Add(e);
        }
    }
}
