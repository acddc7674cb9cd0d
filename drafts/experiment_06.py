from proto import *
import e2
from gancourse.nets import pretrained
from gancourse.metrics import frechet_distance
torch.set_num_threads(1)
net=pretrained.classifier().net.to(memory_format=torch.channels_last)
@torch.no_grad()
def feat(x):
    out=[]
    for p in x.split(100):
        h=net.bn1(net.conv_stem(p.clamp(-1,1).contiguous(memory_format=torch.channels_last)))
        for b in net.blocks[:5]: h=b(h)
        out.append(h.mean((2,3)))
    return torch.cat(out)
o=torch.randperm(len(X),generator=env.rng(2)); A,Bh=o[:400],o[400:800]
_LD=LD
class LD(nn.Module):
    def __init__(s,size,w=32,top=4,maxw=128):
        super().__init__(); s.l=_LD(size,w,top,maxw).l; c=s.l[0]; s.l[0]=nn.Conv2d(6,c.out_channels,4,2,1)
    def forward(s,r,l): return s.l(torch.cat([l+r,5*r],1))
def he(n,last=None):
    for m in n.modules():
        if isinstance(m,(nn.Conv2d,nn.Linear)): nn.init.kaiming_normal_(m.weight,a=.2); nn.init.zeros_(m.bias) if m.bias is not None else None
    if last: 
        with torch.no_grad(): n.l[-1].weight.mul_(last)
def tl(size,seconds,w=32,depth=3,dw=32,lrG=1e-3,lrD=1e-3,gamma=.02,batch=32,crop=16,bn=False,seed=0,last=.1):
    torch.manual_seed(seed)
    G=LG(w,depth,half=False);D=LD(crop,dw)
    if bn: D.l.insert(3,nn.BatchNorm2d(2*dw))
    he(G,last);he(D)
    G.to(memory_format=torch.channels_last);D.to(memory_format=torch.channels_last)
    oG=torch.optim.Adam(G.parameters(),lrG,betas=(.5,.99),fused=True);oD=torch.optim.Adam(D.parameters(),lrD,betas=(.5,.99),fused=True)
    avg=copy.deepcopy(G);rng=env.rng(seed);x_all=P[size];low_all=up(P[size//2])
    def bf():
        i=torch.randint(len(x_all),(batch,),generator=rng);a,b=torch.randint(0,size-crop+1,(2,),generator=rng).tolist()
        x,l=x_all[i][...,a:a+crop,b:b+crop],low_all[i][...,a:a+crop,b:b+crop]; return x-l,l
    Z=lambda l:torch.randn(len(l),1,*l.shape[2:],generator=rng)
    t0=time.process_time();n=0;acc=[0,0]
    while True:
        fr=(time.process_time()-t0)/seconds
        if fr>=1:break
        for op,lr in((oG,lrG),(oD,lrD)):
            for g in op.param_groups:g["lr"]=lr*min(1,2*(1-fr))
        r,l=bf()
        with torch.no_grad(),env.autocast():fk=G(l,Z(l))
        with env.autocast():a,b=D(r,l),D(fk.float(),l)
        ls=discriminator_loss(a.float(),b.float());d=ls
        if gamma and n%8==0:d=ls+8*gamma/2*r1_penalty(lambda h:D(h,l),r)
        descend(oD,d)
        r,l=bf()
        with frozen(D):
            with env.autocast():q=D(G(l,Z(l)),l)
            lg=non_saturating_loss(q.float());descend(oG,lg)
        ema_update(avg,G,min(.999,(n+1)/(n+10)));n+=1;acc[0]+=ls.item();acc[1]+=lg.item()
    G=avg.eval(); l=up(P[size//2][A]); rng=env.rng(3)
    with torch.no_grad(): r=torch.cat([G(q,torch.randn(len(q),1,size,size,generator=rng)) for q in l.split(100)])
    t=P[size][A]-l; big=lambda x:F.interpolate(x,size=64,mode="nearest") if size<64 else x
    fd=frechet_distance(feat(big(l+r)),feat(big(P[size][Bh]))); fl=frechet_distance(feat(big(l)),feat(big(P[size][Bh]))); f0=frechet_distance(feat(big(P[size][A])),feat(big(P[size][Bh])))
    print(f"{size} w{w} d{depth} dw{dw} lr{lrG}/{lrD} g{gamma} b{batch} bn{bn}: {n} steps lossD {acc[0]/n:.3f} G {acc[1]/n:.3f} res {r.std():.3f} true {t.std():.3f} flat {r[t.abs()<.01].std():.3f} FD {fd:.2f} blurred {fl:.2f} floor {f0:.2f}",flush=True)
    return G

if __name__=="__main__":
    V={}
    V["A"]=tl(32,25)
    V["B"]=tl(32,25,gamma=.002)
    V["C"]=tl(32,25,lrD=2e-3,gamma=.1)
    Gs={16:tl(16,25),32:V["A"],64:tl(64,25)}
    torch.save((Gs,V),"e4.pt")
    B,_,_=torch.load("e3.pt",weights_only=False) if 0 else (None,0,0)
    i=torch.randperm(len(X),generator=env.rng(5))[:20]; rng=env.rng(1)
    with torch.no_grad():
        c=chain(Gs,P[8][i],rng); l=up(P[32][i]); l16=up(P[16][i]); z=torch.randn(20,1,32,32)
        save("e4.png",c+[P[64][i]]+[l16+g(l16,z) for g in V.values()]+[P[32][i],l+Gs[64](l,torch.randn(20,1,64,64))])
