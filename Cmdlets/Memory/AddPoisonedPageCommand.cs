using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>Poisons pages of VMs, to try what happens: a guest that touches one has a machine check, or its VM ends.</summary>
/// <remarks>
/// Does to the VM what an uncorrectable memory error does; there is no way back but stopping the VM. A running VM is paused for it. What
/// comes down the pipeline is done at its end, all pages of a VM at once. Asks for confirmation, unless -Force or -Confirm:$false is given.
/// </remarks>
/// <example>
/// <code>Add-PoisonedPage lab01 0x3f000000 -Force -PassThru</code>
/// <para>Poisons the page at that address without asking and writes it.</para>
/// </example>
/// <example>
/// <code>Get-PoisonedPage web01 | ForEach-Object GuestPhysicalAddress | ForEach-Object { Add-PoisonedPage lab01 $_ -Force }</code>
/// <para>Poisons the same pages in a VM of a lab.</para>
/// </example>
[Cmdlet(VerbsCommon.Add, "PoisonedPage", DefaultParameterSetName = ByName, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(PoisonedPage))]
public sealed class AddPoisonedPageCommand : VmSelectionCmdlet
{
    private readonly Dictionary<(string Host, Guid Vm), (LocatedVm Vm, object Target, List<long> Addresses)> chosen = [];

    /// <summary>
    /// Addresses in RAM as the guest sees them, in bytes; hexadecimal ones as 0x3f000000. Each means the page of 4096 bytes it lies in.
    /// </summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByName, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ById, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = ByVm)]
    [ValidateRange(0, long.MaxValue)]
    [Alias("Address")]
    public long[] GuestPhysicalAddress { get; set; } = [];

    /// <summary>Do not ask.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Write the pages that are new.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Poisons the pages, each VM's at once: it is paused only once, and asked about only once.</summary>
    protected override void EndProcessing()
    {
        foreach ((LocatedVm vm, object target, List<long> addresses) in chosen.Values) Poison(vm, target, [.. addresses.Distinct()]);
    }

    private protected override void ProcessVm(LocatedVm vm, object target)
    {
        var key = (vm.Host.Name, vm.Id);
        if (!chosen.TryGetValue(key, out var present)) chosen[key] = present = (vm, target, []);
        present.Addresses.AddRange(GuestPhysicalAddress);
    }

    private void Poison(LocatedVm vm, object target, IReadOnlyList<long> addresses)
    {
        string pages = addresses is [var single] ? $"the page at 0x{single:x}" : $"{addresses.Count} pages";
        if (!IsAgreed(Force, vm.Title, $"Poison {pages}")) return;
        IReadOnlyList<Engine.Memory.PoisonedPage>? added = Attempt(target, token => vm.Host.AddPoisonedPagesAsync(vm.Id, addresses, token));
        if (!PassThru) return;
        foreach (Engine.Memory.PoisonedPage page in added ?? []) WriteObject(PoisonedPage.From(page, vm.Id, vm.Name, vm.Host.Name));
    }
}
