using VmMigration.Engine.Hosts;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using Xunit;

namespace VmMigration.Engine.Tests.Hosts;

/// <summary>What a source keeps of an offer so that it can ask after a restart, and who may read it.</summary>
public sealed class JournaledOfferTests : IDisposable
{
    private readonly ScratchDirectory scratch = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData(PostcopyPolicy.Never, false)]
    [InlineData(PostcopyPolicy.WhenNotConverging, true)]
    [InlineData(PostcopyPolicy.AfterFirstPass, true)]
    public async Task The_offer_survives_a_restart_with_the_right_to_ask_and_goes_with_the_end_of_the_migration(
        PostcopyPolicy postcopy, bool keepsTicket)
    {
        VmSpecification vm = SampleVms.Qemu();
        byte[] ticket = [.. Enumerable.Range(0, Hello.TicketBytes).Select(value => (byte)value)];
        var offer = new IncomingOffer(Guid.NewGuid(), "there", "192.0.2.1", 4711, ticket)
        {
            Security = LinkSecurity.Tls, CertificateHash = new byte[32], PathId = Guid.NewGuid(),
        };
        using HostDirectory directory = HostDirectory.Open(scratch.Path);
        using (HostJournal first = HostJournal.Open(directory))
        {
            await first.RecordAsync(Entry(vm, offer, MigrationJournalState.Started), Cancel);
            first.SaveRequest(
                new(vm.Id, offer, StateContents.Devices, new() { Postcopy = postcopy }), SampleVms.Status(offer.MigrationId, vm, MigrationState.Setup));
        }

        using HostJournal second = HostJournal.Open(directory);
        JournaledMigration kept = second.FindMigration(offer.MigrationId, MigrationRole.Source)!;
        Assert.Equivalent(keepsTicket ? offer : offer with { Ticket = Hello.OutcomeTicketOf(ticket) }, kept.Request!.Offer, strict: true);
        Assert.Equal(Hello.OutcomeTicketOf(ticket), kept.OutcomeTicket);

        await second.RecordAsync(Entry(vm, offer, MigrationJournalState.RolledBack), Cancel);
        Assert.Null(second.FindMigration(offer.MigrationId, MigrationRole.Source)!.Request);
    }

    [Fact]
    public void Only_its_owner_may_read_the_journal_also_one_that_was_open_to_others()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("Files have no Unix modes on Windows.");
            return;
        }

        string path = Path.Combine(scratch.Path, "journal.db");
        File.Create(path).Dispose();
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead | UnixFileMode.GroupRead);

        using HostDirectory directory = HostDirectory.Open(scratch.Path);
        using HostJournal journal = HostJournal.Open(directory);

        foreach (string file in new[] { path, $"{path}-wal" })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        }
    }

    private static MigrationJournalEntry Entry(VmSpecification vm, IncomingOffer offer, MigrationJournalState state) =>
        SampleVms.Entry(vm.Id, MigrationRole.Source, state, offer.MigrationId);
}
