using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Tests.Memory;
using static VmMigration.Engine.Tests.Embedded.EmbeddedVms;

namespace VmMigration.Engine.Tests.Embedded;

public sealed class EmbeddedMissingPagesTests : MissingPagesContract
{
    protected override async Task<MissingPagesSubject> CreateAsync(
        int pageCount, PageSet missing, Action<GuestMemory> received, long touchedPage)
    {
        // A sequential writer that was stopped just before the page, and halts after its first write there.
        long steps = touchedPage * GuestMemory.PageSizeBytes / sizeof(ulong);
        VmSpecification specification = Specification(
            GuestProgramKind.SequentialWriter, (long)pageCount << GuestMemory.PageShift, vcpuCount: 1)
            .HaltingAfter(steps + 1);
        EmbeddedVirtualMachine vm = await MakePausedAsync(specification, steps);
        received(vm.Memory);
        return new Subject(vm, await vm.StartPostcopyAsync(missing, Cancelled));
    }

    private sealed class Subject(EmbeddedVirtualMachine vm, MissingPages missing) : MissingPagesSubject
    {
        public override MissingPages Missing => missing;

        public override GuestMemory Memory => vm.Memory;

        public override async Task TouchAsync()
        {
            await vm.ResumeAsync(Cancelled);
            await vm.Halted;
        }

        public override async ValueTask DisposeAsync()
        {
            await vm.DisposeAsync();
            missing.Dispose();
        }
    }
}
