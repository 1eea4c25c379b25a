using System.Runtime.InteropServices;
using VmMigration.Engine.Native;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>
/// Runs VMs under an unmodified QEMU: each as a daemon of its own with its RAM in a shared file, so that the engine can move the memory
/// from outside and can be restarted without the VMs noticing.
/// </summary>
public sealed class QemuHypervisor : IHypervisor
{
    private readonly QemuHypervisorOptions options;
    private readonly string vmsDirectory;
    private readonly Lazy<KernelFeatures> features;
    private readonly RamFileSystems ramFileSystems;
    private readonly Lazy<Task<KvmTrialResult>> kvmTrial = new(() => Task.Run(KvmTrial.Execute));
    private readonly Lazy<Task<bool>> sandbox;

    /// <param name="options">Where its files go. Nothing is made or tried before the first VM.</param>
    public QemuHypervisor(QemuHypervisorOptions options)
    {
        this.options = options with
        {
            StateDirectory = Path.GetFullPath(options.StateDirectory), RamDirectory = Path.GetFullPath(options.RamDirectory),
        };
        vmsDirectory = Path.Combine(this.options.StateDirectory, "vms");
        features = new(() => options.Features ?? KernelFeatures.Probe());
        ramFileSystems = new(this.options.StateDirectory, this.options.RamDirectory, () => features.Value, new LargePageSettings());
        sandbox = new(() => QemuProgram.HasSandboxAsync(ProgramPath!));
    }

    /// <inheritdoc/>
    public HypervisorKind Kind => HypervisorKind.Qemu;

    private string? ProgramPath => options.ProgramPath ?? QemuProgram.Find();

    /// <inheritdoc/>
    public Task<string?> FindObstacleAsync(CancellationToken cancellationToken) => Task.FromResult(FindObstacle());

    /// <inheritdoc/>
    public string? FindLargePageObstacle(VmSpecification specification) => ramFileSystems.FindObstacle(specification);

    /// <inheritdoc/>
    public string? FindPoisonObstacle(VmSpecification specification) => QemuPoison.FindObstacle(
        FindLargePageObstacle(specification) is null ? specification.Backing : MemoryBacking.BasePages, features.Value);

    /// <inheritdoc/>
    public string? FindPostcopyObstacle(VmSpecification specification) => features.Value.PostcopyObstacle
        ?? (specification.Backing == MemoryBacking.HugeTlb ? QemuMissingPages.HugetlbfsObstacle : null);

    /// <inheritdoc/>
    /// <remarks>The specification of the VM names the machine's version and the accelerator that were taken.</remarks>
    public Task<IVirtualMachine> StartAsync(VmSpecification specification, CancellationToken cancellationToken) =>
        LaunchAsync(specification, incoming: null, cancellationToken);

    /// <inheritdoc/>
    public Task<IVirtualMachine> PrepareIncomingAsync(
        VmSpecification specification, StateContents contents, CancellationToken cancellationToken) =>
        LaunchAsync(specification, contents, cancellationToken);

    /// <inheritdoc/>
    public async Task<IVirtualMachine> AdoptAsync(
        VmSpecification specification, VmInstance instance, CancellationToken cancellationToken)
    {
        if (instance is not { ProcessId: { } processId, QmpSocketPath: { } socketPath })
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"'{specification.Name}' cannot be found again without process id and QMP socket.");
        }

        var attachment = new QemuAttachment(
            await QemuProcess.ConnectAsync(socketPath, processId, cancellationToken).ConfigureAwait(false));
        await using (attachment.ConfigureAwait(false))
        {
            if (QemuInstancePaths.Find(instance) is { } own) attachment.FindOwnRam(own.RamFile, specification.MemoryBytes);
            else await attachment.FindForeignRamAsync(cancellationToken).ConfigureAwait(false);
            CpuControlGroup.LiftLeftover(processId);
            await attachment.EndInterruptedSaveAsync(cancellationToken).ConfigureAwait(false);
            await attachment.EndInterruptedDiskJobsAsync(specification, cancellationToken).ConfigureAwait(false);
            return await attachment.CompleteAsync(
                specification, instance, DirectoryOf(instance), features.Value, largePagesRefused: null, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>Adopts a QEMU that something else started. Its specification is read from its command line and from itself.</summary>
    /// <param name="qmpSocketPath">Path of its QMP unix socket; nothing else may be connected to it.</param>
    /// <param name="name">Name to give the VM; null takes the one QEMU was started with.</param>
    /// <param name="cancellationToken">Cancels the adoption.</param>
    /// <exception cref="MigrationException">
    /// <see cref="MigrationErrorReason.VmExited"/> where nobody listens there; <see cref="MigrationErrorReason.HypervisorFailed"/> where it
    /// is no QMP socket or another client holds it; <see cref="MigrationErrorReason.AccessDenied"/>;
    /// <see cref="MigrationErrorReason.InvalidState"/> where the VM waits for a migration.
    /// </exception>
    public async Task<IVirtualMachine> RegisterAsync(string qmpSocketPath, string? name, CancellationToken cancellationToken)
    {
        string socketPath = Path.GetFullPath(qmpSocketPath);
        QemuProcess process = await QemuProcess.ConnectAsync(socketPath, expectedProcessId: null, cancellationToken).ConfigureAwait(false);
        var attachment = new QemuAttachment(process);
        await using (attachment.ConfigureAwait(false))
        {
            QemuRam ram = await attachment.FindForeignRamAsync(cancellationToken).ConfigureAwait(false);
            VmSpecification specification = await QemuRegistration.ReadAsync(process, ram, name, cancellationToken).ConfigureAwait(false);
            var instance = new VmInstance
            {
                ProcessId = process.Handle.ProcessId,
                QmpSocketPath = socketPath,
                RamFilePath = ram.FilePath,
                Accelerator = QemuCommandLine.AcceleratorName(specification.Qemu!.Accelerator),
            };
            return await attachment.CompleteAsync(
                specification, instance, DirectoryOf(instance), features.Value, largePagesRefused: null, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Removes what an engine that was killed left in the state directory: processes, RAM files and directories of VMs that are not
    /// among the known ones, and file systems of large pages that no VM is on. Call it before the first VM is made, and with every VM that
    /// is still to be adopted.
    /// </summary>
    /// <returns>The directories that were removed.</returns>
    public async Task<IReadOnlyList<string>> RemoveLeftoversAsync(IEnumerable<VmInstance> known, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> removed = await QemuLeftovers.RemoveAsync(vmsDirectory, known, cancellationToken).ConfigureAwait(false);
        return [.. removed, .. ramFileSystems.RemoveUnused()];
    }

    /// <summary>
    /// Ends a VM of this hypervisor by its process and removes its files, asking nothing of QEMU: one that waits for a page that never comes
    /// answers nothing.
    /// </summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> for a VM that something else started.</exception>
    public async Task EndAsync(VmInstance instance)
    {
        string? directory = Path.GetDirectoryName(instance.QmpSocketPath);
        if (directory is null || Path.GetDirectoryName(directory) != vmsDirectory)
        {
            throw new MigrationException(
                MigrationErrorReason.InvalidArgument, $"Something else started process {instance.ProcessId}, and only that can end it.",
                $"End process {instance.ProcessId} by what started it.");
        }

        await QemuLeftovers.RemoveInstanceAsync(directory).ConfigureAwait(false);
        ramFileSystems.RemoveUnused();
    }

    /// <summary>Unmounts the file systems of large pages that no VM is on any more: what was in use when the last VM on it went.</summary>
    public void RemoveUnusedFileSystems() => ramFileSystems.RemoveUnused();

    private string? FindObstacle()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return "QEMU guests are run on x86-64 Linux; "
                + $"this is {RuntimeInformation.OSDescription} on {RuntimeInformation.ProcessArchitecture}.";
        }

        if (ProgramPath is not { } program || !File.Exists(program))
        {
            return $"{options.ProgramPath ?? QemuProgram.Name} is not installed. {QemuProgram.InstallAction}";
        }

        return FileAccessCheck.IsWritable(options.RamDirectory)
            ? null
            : $"The directory {options.RamDirectory} for guest RAM does not exist or may not be written. "
                + "Mount a tmpfs there, or name another.";
    }

    private async Task<IVirtualMachine> LaunchAsync(
        VmSpecification specification, StateContents? incoming, CancellationToken cancellationToken)
    {
        if (FindObstacle() is { } obstacle) throw new MigrationException(MigrationErrorReason.PrerequisiteMissing, obstacle);
        QemuAccelerator accelerator = await ChooseAcceleratorAsync(specification).ConfigureAwait(false);
        bool hasSandbox = await sandbox.Value.ConfigureAwait(false);
        (QemuInstancePaths paths, string? largePagesRefused) = ramFileSystems.CreateFiles(specification, vmsDirectory);
        try
        {
            IReadOnlyList<string> arguments = QemuCommandLine.Build(specification, paths, accelerator, incoming is not null, hasSandbox);
            int processId = await QemuLauncher.StartAsync(ProgramPath!, arguments, paths, cancellationToken).ConfigureAwait(false);
            var instance = new VmInstance
            {
                ProcessId = processId,
                QmpSocketPath = paths.QmpSocket,
                RamFilePath = paths.RamFile,
                SerialLogPath = specification.Qemu!.SerialConsole ? paths.SerialLog : null,
                Accelerator = QemuCommandLine.AcceleratorName(accelerator),
            };
            var attachment = new QemuAttachment(
                await QemuProcess.ConnectAsync(paths.QmpSocket, processId, cancellationToken).ConfigureAwait(false));
            await using (attachment.ConfigureAwait(false))
            {
                attachment.FindOwnRam(paths.RamFile, specification.MemoryBytes);
                if (incoming is { } contents)
                {
                    await attachment.ListenAsync(contents, paths.IncomingSocket, cancellationToken).ConfigureAwait(false);
                }

                VmSpecification pinned = await attachment.PinAsync(specification, accelerator, cancellationToken).ConfigureAwait(false);
                return await attachment.CompleteAsync(
                    pinned, instance, DirectoryOf(instance), features.Value, largePagesRefused, cancellationToken).ConfigureAwait(false);
            }
        }
        catch
        {
            await QemuInstanceFiles.RemoveAsync(paths).ConfigureAwait(false);
            ramFileSystems.RemoveUnused();
            throw;
        }
    }

    private QemuVmDirectory DirectoryOf(VmInstance instance) => new(instance, vmsDirectory, RemoveUnusedFileSystems);

    private async Task<QemuAccelerator> ChooseAcceleratorAsync(VmSpecification specification)
    {
        QemuAccelerator wanted = specification.Qemu?.Accelerator
            ?? throw new MigrationException(MigrationErrorReason.InvalidArgument, $"'{specification.Name}' is no VM of QEMU.");
        if (wanted != QemuAccelerator.Auto) return wanted;
        KvmTrialResult trial = await kvmTrial.Value.ConfigureAwait(false);
        return trial.Runs ? QemuAccelerator.Kvm : QemuAccelerator.Tcg;
    }
}
