using VmMigration.Engine.Disks;
using VmMigration.Engine.Hosts.Remote.Messages;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;

namespace VmMigration.Engine.Hosts.Remote;

// The life and the memory of its VMs.
public sealed partial class RemoteHost
{
    /// <inheritdoc/>
    public async Task<VmDescription> CreateVmAsync(VmSpecification specification, CancellationToken cancellationToken)
    {
        var request = new Contract.CreateVmRequest { Specification = specification.ToMessage() };
        return (await calls.WriteAsync(options => vms.CreateAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> RegisterVmAsync(VmRegistration registration, CancellationToken cancellationToken)
    {
        Contract.RegisterVmRequest request = registration.ToMessage();
        return (await calls.WriteAsync(options => vms.RegisterAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<VmDescription>> ListVmsAsync(CancellationToken cancellationToken)
    {
        Contract.ListVmsResponse response = await calls.ReadAsync(
            options => vms.ListAsync(new(), options), cancellationToken).ConfigureAwait(false);
        return [.. response.Vms.Select(vm => vm.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<VmDescription> GetVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.GetVmRequest { VmId = vmId.ToString() };
        return (await calls.ReadAsync(options => vms.GetAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<VmDisk>> ListVmDisksAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.ListVmDisksRequest { VmId = vmId.ToString() };
        Contract.ListVmDisksResponse response = await calls.ReadAsync(
            options => vms.ListDisksAsync(request, options), cancellationToken).ConfigureAwait(false);
        return [.. response.Disks.Select(disk => disk.ToRecord())];
    }

    /// <inheritdoc/>
    public async Task<VmDescription> StartVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.StartVmRequest { VmId = vmId.ToString() };
        return (await calls.WriteAsync(options => vms.StartAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> StopVmAsync(Guid vmId, bool force, CancellationToken cancellationToken)
    {
        var request = new Contract.StopVmRequest { VmId = vmId.ToString(), Force = force };
        return (await calls.WriteAsync(options => vms.StopAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> PauseVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.PauseVmRequest { VmId = vmId.ToString() };
        return (await calls.WriteAsync(options => vms.PauseAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public async Task<VmDescription> ResumeVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.ResumeVmRequest { VmId = vmId.ToString() };
        return (await calls.WriteAsync(options => vms.ResumeAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecord();
    }

    /// <inheritdoc/>
    public Task RemoveVmAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.RemoveVmRequest { VmId = vmId.ToString() };
        return calls.WriteAsync(options => vms.RemoveAsync(request, options), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<PoisonedPage>> ListPoisonedPagesAsync(Guid vmId, CancellationToken cancellationToken)
    {
        // Looks at the whole memory, however large it is.
        var request = new Contract.ListPoisonedPagesRequest { VmId = vmId.ToString() };
        return (await calls.RepeatAsync(
            options => memory.ListPoisonedPagesAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecords();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<PoisonedPage>> AddPoisonedPagesAsync(
        Guid vmId, IReadOnlyList<long> guestPhysicalAddresses, CancellationToken cancellationToken)
    {
        var request = new Contract.AddPoisonedPagesRequest { VmId = vmId.ToString() };
        request.GuestPhysicalAddresses.Add(guestPhysicalAddresses);
        return (await calls.WriteAsync(
            options => memory.AddPoisonedPagesAsync(request, options), cancellationToken).ConfigureAwait(false)).ToRecords();
    }

    /// <inheritdoc/>
    public async Task<LargePageCoverage?> ReadLargePagesAsync(Guid vmId, CancellationToken cancellationToken)
    {
        var request = new Contract.ReadLargePagesRequest { VmId = vmId.ToString() };
        return (await calls.RepeatAsync(
            options => memory.ReadLargePagesAsync(request, options), cancellationToken).ConfigureAwait(false)).Coverage?.ToRecord();
    }
}
