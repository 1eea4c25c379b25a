namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>All vCPUs of one VM, ordered about as one. Orders must be given one after the other.</summary>
internal sealed class VcpuGroup
{
    private readonly EmbeddedVcpu[] vcpus;
    private readonly VcpuOrder firstOrder;

    /// <param name="specification">What the VM is made from; was checked.</param>
    /// <param name="memory">Its RAM; must not be disposed before the threads have ended.</param>
    /// <param name="watch">What is to be heeded when they touch memory.</param>
    /// <param name="mode">What the vCPUs do at first.</param>
    public unsafe VcpuGroup(VmSpecification specification, EmbeddedMemory memory, VcpuWatch watch, VcpuMode mode)
    {
        EmbeddedGuest guest = specification.Embedded!;
        firstOrder = new VcpuOrder(mode, 1, specification.VcpuCount);
        vcpus = new EmbeddedVcpu[specification.VcpuCount];
        for (int i = 0; i < vcpus.Length; i++)
        {
            GuestShare share = GuestShare.Of(memory.Start, guest.WorkingSetIn(specification.MemoryBytes), i, vcpus.Length);
            vcpus[i] = new EmbeddedVcpu(i, guest, share, watch, firstOrder);
        }
    }

    /// <summary>Completes when every vCPU has run all its steps.</summary>
    public Task Halted => Task.WhenAll(vcpus.Select(vcpu => vcpu.Halted));

    /// <summary>Whether any thread has not ended.</summary>
    public bool IsAlive => vcpus.Any(vcpu => vcpu.IsAlive);

    /// <summary>Where the first so many vCPUs are asked to arm write traces.</summary>
    public VcpuErrands[] Armers(int count) => [.. vcpus.Take(count).Select(vcpu => vcpu.Errands)];

    /// <summary>Steps each vCPU has run so far; while it runs, up to a batch behind.</summary>
    public long[] ReadSteps() => [.. vcpus.Select(vcpu => vcpu.Steps)];

    /// <summary>The registers of each vCPU; only while they stand still.</summary>
    public VcpuRegisters[] CopyRegisters() => [.. vcpus.Select(vcpu => vcpu.Registers)];

    /// <summary>Sets the registers of each vCPU; only while they stand still.</summary>
    public void LoadRegisters(ReadOnlySpan<VcpuRegisters> registers)
    {
        for (int i = 0; i < vcpus.Length; i++) vcpus[i].Registers = registers[i];
    }

    /// <summary>Starts the threads; all have taken up the first order when the task ends.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.OutOfSpace"/> where there are no more threads.</exception>
    public async Task StartAsync()
    {
        int started = 0;
        try
        {
            for (; started < vcpus.Length; started++) vcpus[started].Start();
        }
        catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
        {
            await EndAsync(started).ConfigureAwait(false);
            throw new MigrationException(
                MigrationErrorReason.OutOfSpace, $"The system gave threads for {started} of {vcpus.Length} vCPUs.",
                "Give the VM fewer vCPUs, or raise the limit of threads (RLIMIT_NPROC, or pids.max of the control group).", exception);
        }

        await firstOrder.Obeyed.ConfigureAwait(false);
    }

    /// <summary>Gives an order; every vCPU has taken it up when the task ends.</summary>
    /// <returns>When the last one did, as a stopwatch's timestamp.</returns>
    public async Task<long> OrderAsync(VcpuMode mode, double share)
    {
        var order = new VcpuOrder(mode, share, vcpus.Length);
        foreach (EmbeddedVcpu vcpu in vcpus) vcpu.Obey(order);
        await order.Obeyed.ConfigureAwait(false);
        return order.ObeyedAt;
    }

    /// <summary>Ends the threads; none is left when the task ends.</summary>
    public Task EndAsync() => EndAsync(vcpus.Length);

    private async Task EndAsync(int started)
    {
        var order = new VcpuOrder(VcpuMode.End, 1, started);
        foreach (EmbeddedVcpu vcpu in vcpus.AsSpan(0, started)) vcpu.Obey(order);
        if (started > 0) await order.Obeyed.ConfigureAwait(false);
        foreach (EmbeddedVcpu vcpu in vcpus.AsSpan(0, started)) vcpu.Join();
        foreach (EmbeddedVcpu vcpu in vcpus) vcpu.Dispose();
    }
}
